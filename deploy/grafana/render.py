"""Grafana's JSON of a dashboard: the same bytes for the same dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.grafana.panels import COLUMNS, Dashboard, Panel, Price, Query, Row, Step, Unit

SCHEMA: Final = 41
"""Of Grafana 12; older ones back to 9 read it too, for nothing here is newer."""

TAG: Final = "pairmill"
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

RUNBOOKS: Final = "docs/runbooks/"
"""Where links to runbooks begin; whoever installs the dashboards puts an address in its place."""

_UNITS: Final[Mapping[Unit, str]] = {"rowsps": "si:rows/s", "cores": "suffix: cores"}
"""Units that Grafana calls otherwise; `si:` scales by thousands."""

_HEADING_HEIGHT: Final = 1
Json = dict[str, Any]


def rendered(dashboard: Dashboard) -> str:
    """Returns the dashboard's file."""
    return json.dumps(_dashboard(dashboard), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard(dashboard: Dashboard) -> Json:
    return {
        "uid": f"pairmill-{dashboard.name}",
        "title": f"Pairmill / {dashboard.title}",
        "description": dashboard.about,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-3h", "to": "now"},
        "annotations": {"list": [_firing()]},
        "links": [_others()],
        "templating": {"list": [*_variables(), *map(_price, dashboard.prices)]},
        "panels": list(_placed(dashboard.rows)),
    }


# Variables and links


def _variables() -> Iterator[Json]:
    yield {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
    }
    yield _from_labels("namespace", "Namespace", "label_values(pairmill_build_info, namespace)")
    yield _from_labels("job", "Scrape job", 'label_values(pairmill_build_info{namespace=~"$namespace"}, job)')


def _from_labels(name: str, label: str, query: str) -> Json:
    """Returns a variable that is everything at first, whether targets have the label or not."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
    }


def _price(price: Price) -> Json:
    return {
        "name": price.name,
        "label": price.label,
        "type": "textbox",
        "query": price.value,
        "current": {"text": price.value, "value": price.value},
        "hide": 0,
    }


def _others() -> Json:
    """Returns the menu of all dashboards of Pairmill, which keeps time and variables."""
    return {
        "title": "Pairmill",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "url": "",
    }


def _firing() -> Json:
    """Returns the marks of alerts that fire."""
    return {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertname=~"Pairmill.*", alertstate="firing", namespace=~"$namespace"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{service}} {{member}}",
        "step": "60s",
    }


# Panels


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    """Lays panels out from left to right and numbers them."""
    number = y = 0
    for row in rows:
        number += 1
        yield _heading(row, number, y)
        y += _HEADING_HEIGHT
        x = line = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line = 0, y + line, 0
            number += 1
            yield {**_panel(panel), "id": number, "gridPos": _place(x, y, panel.width, panel.height)}
            x, line = x + panel.width, max(line, panel.height)
        y += line


def _place(x: int, y: int, width: int, height: int) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _heading(row: Row, number: int, y: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "panels": [],
        "gridPos": _place(0, y, COLUMNS, _HEADING_HEIGHT),
    }


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": f"{panel.shows}\n\n**When it looks wrong:** {panel.remedy}",
        "datasource": DATASOURCE,
        "links": [_runbook(panel.runbook)] if panel.runbook else [],
        "targets": [_target(panel, query, place) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


def _runbook(name: str) -> Json:
    return {"title": "Runbook", "url": f"{RUNBOOKS}{name}.md", "targetBlank": True}


def _target(panel: Panel, query: Query, place: int) -> Json:
    over_time = panel.kind in ("timeseries", "heatmap")
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATASOURCE,
        "expr": query.expression,
        "legendFormat": query.legend or panel.title,
        "range": over_time,
        "instant": not over_time,
        "format": "heatmap" if panel.kind == "heatmap" else "time_series",
        "editorMode": "code",
    }


def _field(panel: Panel) -> Json:
    field: Json = {
        "unit": _UNITS.get(panel.unit, panel.unit),
        "min": panel.lowest,
        "max": panel.highest,
        "decimals": panel.decimals,
        "noValue": "–",
        "color": {"mode": "thresholds" if _is_coloured(panel) else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": _steps(panel.starts, panel.steps)},
        "custom": _lines(panel) if panel.kind == "timeseries" else {},
    }
    return {name: value for name, value in field.items() if value is not None}


def _is_coloured(panel: Panel) -> bool:
    return panel.kind == "stat" and bool(panel.steps)


def _steps(starts: str, steps: Sequence[Step]) -> list[Json]:
    return [
        {"color": starts, "value": None},
        *({"color": step.colour, "value": step.value} for step in steps),
    ]


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
    }


_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[Mapping[str, Json]] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "none", "textMode": "auto"},
    "bargauge": {"reduceOptions": _LAST, "orientation": "horizontal", "displayMode": "basic"},
    "heatmap": {
        "calculate": False,
        "yAxis": {"unit": "short"},
        "color": {"mode": "scheme", "scheme": "Turbo", "steps": 64},
        "cellGap": 1,
        "tooltip": {"mode": "single"},
        "legend": {"show": True},
    },
}
