/** A saved subset's exports: start one, watch it, cancel it, compare two. */

import { button, field, meter } from "../controls.js";
import { ask } from "../dialog.js";
import { el, put } from "../dom.js";
import { bytes, count, counted, duration, int, moment, percent } from "../format.js";
import { trouble } from "../trouble.js";

const FORMATS = [
  ["EXPORT_FORMAT_WEBDATASET", "WebDataset: tars with images"],
  ["EXPORT_FORMAT_PARQUET", "Parquet: all columns"],
  ["EXPORT_FORMAT_URLS", "List of URLs and texts"],
  ["EXPORT_FORMAT_IDS", "List of ids (npy)"],
];
const LIVE = new Set(["EXPORT_STATE_QUEUED", "EXPORT_STATE_RUNNING"]);
const COMPLETE = "EXPORT_STATE_COMPLETE";
const POLL_MS = 1000;

/** Returns the section of a subset's exports; it asks for news until `signal` is aborted. */
export function createExports(subset, { api, store, dataset, signal }) {
  const { name } = subset.recipe;
  const list = el("ol", { class: "exports" });
  const wrong = el("div", {});
  const compare = el("div", {});
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  refresh();
  return el(
    "section",
    { class: "card-like", "aria-label": "Exports" },
    el("h2", {}, "Exports"),
    startForm(),
    wrong,
    list,
    compare,
  );

  function startForm() {
    const format = el(
      "select",
      { class: "select" },
      FORMATS.map(([value, text]) => el("option", { value }, text)),
    );
    const shard = el("input", {
      type: "number",
      class: "input",
      value: "10000",
      min: 100,
      max: 1000000,
      step: 1,
    });
    const start = async () => {
      await attempt(() =>
        api.subsets("StartExport", {
          dataset,
          name,
          format: format.value,
          shard_samples: Number(shard.value),
        }),
      );
    };
    return el(
      "form",
      { class: "row export-form", on: { submit: (event) => (event.preventDefault(), start()) } },
      field("Written as", format, { name: "format" }),
      field("Samples per file", shard, { name: "shard_samples" }),
      el("button", { type: "submit", class: "button primary" }, "Export"),
    );
  }

  async function attempt(call) {
    put(wrong);
    try {
      await call();
      await refresh();
    } catch (error) {
      put(wrong, trouble(error));
    }
  }

  async function refresh() {
    clearTimeout(timer);
    if (signal.aborted) return;
    try {
      const { exports = [] } = await api.subsets("ListExports", { dataset, name }, signal);
      put(list, exports.length ? exports.map(row) : el("p", { class: "hint" }, "Not exported yet."));
      put(compare, comparison(exports, { api, store, dataset }));
      if (exports.some(({ state }) => LIVE.has(state))) timer = setTimeout(refresh, POLL_MS);
    } catch (error) {
      if (!signal.aborted) put(wrong, trouble(error, refresh));
    }
  }

  function row(entry) {
    const done = int(entry.samples_done);
    const total = int(entry.samples_total);
    const live = LIVE.has(entry.state);
    return el(
      "li",
      { class: "export", data: { export: entry.export_id, state: stateName(entry.state) } },
      el(
        "p",
        { class: "row" },
        el("b", {}, formatName(entry.format)),
        el("span", { class: `badge state-${stateName(entry.state)}` }, stateName(entry.state)),
        el("span", { class: "hint" }, `revision ${entry.revision} · ${moment(entry.started_at)}`),
        live && button("Cancel", { kind: "small", press: () => cancel(entry) }),
      ),
      live && meter(done, total, `${percent(done, total)} written`),
      el(
        "p",
        { class: "hint" },
        `${count(done)} of ${counted(total, "sample")}, ${bytes(entry.bytes_done)}`,
        live && entry.remaining_seconds !== undefined && `, ${duration(entry.remaining_seconds)} to go`,
        int(entry.without_image) > 0 && `, ${count(entry.without_image)} without image left out`,
      ),
      entry.folder && entry.state === COMPLETE && el("p", {}, el("code", { class: "address" }, entry.folder)),
      entry.error && el("p", { class: "bad" }, entry.error),
    );
  }

  async function cancel({ export_id }) {
    const sure = await ask("Cancel this export?", "What it has written is removed.", "Cancel the export");
    if (sure) await attempt(() => api.subsets("CancelExport", { dataset, export_id }));
  }
}

function comparison(exports, { api, store, dataset }) {
  const complete = exports.filter(({ state }) => state === COMPLETE);
  if (complete.length < 2) return [];
  const options = () =>
    complete.map((entry) =>
      el(
        "option",
        { value: entry.export_id },
        `${moment(entry.started_at)} · ${formatName(entry.format)} · revision ${entry.revision}`,
      ),
    );
  const older = el("select", { class: "select" }, options());
  const newer = el("select", { class: "select" }, options());
  older.selectedIndex = 1;
  const outcome = el("div", { "aria-live": "polite" });
  const look = async () => {
    try {
      const answer = await api.subsets("DiffExports", {
        dataset,
        old_export_id: older.value,
        new_export_id: newer.value,
      });
      put(outcome, differences(answer, store));
    } catch (error) {
      put(outcome, trouble(error, look));
    }
  };
  return el(
    "details",
    { class: "facet" },
    el("summary", {}, "Compare two exports"),
    el("div", { class: "two" }, field("Older", older), field("Newer", newer)),
    button("Compare", { press: look }),
    outcome,
  );
}

function differences(answer, store) {
  const ids = (title, list = []) =>
    list.length > 0 &&
    el(
      "div",
      {},
      el("h3", {}, title),
      el(
        "ul",
        { class: "ids" },
        list.map((id) =>
          el("li", {}, button(id, { kind: "quiet small", press: () => store.set({ sample: id }) })),
        ),
      ),
    );
  return [
    el(
      "p",
      {},
      `${count(answer.common)} in both, ${count(answer.added)} added, ${count(answer.removed)} removed.`,
    ),
    ids("Added, some of them", answer.added_ids),
    ids("Removed, some of them", answer.removed_ids),
  ];
}

function stateName(state = "") {
  return state.replace("EXPORT_STATE_", "").toLowerCase();
}

function formatName(format = "") {
  return FORMATS.find(([value]) => value === format)?.[1].split(":")[0] ?? format;
}
