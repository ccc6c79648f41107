/** Sections of the detail view. */

import { meter } from "../controls.js";
import { el } from "../dom.js";
import { SCORES, fieldLabel, humanise } from "../fields.js";
import { score } from "../format.js";
import { outsideAddress } from "../outside.js";
import { GROUPS, isAddress, mergedColumns } from "./columns.js";

/** How long a bar is: the aesthetic scale ends at 10, the others at 1. */
const ENDS = { aesthetic_score: 10 };

/** Returns the scores as bars. */
export function scoreSection(sample, hitScore) {
  const rows = SCORES.map((field) => scoreRow(fieldLabel(field), sample[field], ENDS[field] ?? 1));
  if (hitScore !== undefined) rows.unshift(scoreRow("Cosine with the query", hitScore, 1));
  return el("section", {}, el("h3", {}, "Scores"), el("dl", { class: "scores" }, rows));
}

/** Returns sections of the columns that people ask for, then all columns as they are. */
export function columnSections(detail) {
  const columns = mergedColumns(detail);
  return [
    ...GROUPS.map(([title, names]) =>
      groupSection(title, names.map((name) => columns.get(name)).filter(Boolean)),
    ),
    allColumns("All columns of the sample", detail.fields),
    allColumns("All columns of the fetch", detail.evidence),
  ];
}

function scoreRow(name, value, end) {
  const known = value !== undefined && value !== null;
  return [
    el("dt", {}, name),
    el(
      "dd",
      {},
      meter(known ? value : 0, end, `${name}: ${known ? score(value) : "unknown"}`),
      el("span", { class: "score" }, known ? score(value) : "unknown"),
    ),
  ];
}

function groupSection(title, fields) {
  if (fields.length === 0) return null;
  return el(
    "section",
    {},
    el("h3", {}, title),
    el(
      "dl",
      { class: "columns" },
      fields.map((field) => [
        el("dt", {}, humanise(field.name)),
        el("dd", {}, field.null ? el("span", { class: "hint" }, "none") : valueOf(field)),
      ]),
    ),
  );
}

function allColumns(title, fields = []) {
  if (fields.length === 0) return null;
  const rows = fields.map((field) =>
    el("tr", {}, el("th", { scope: "row" }, field.name), el("td", {}, valueOf(field))),
  );
  return el(
    "details",
    { class: "all-columns" },
    el("summary", {}, title),
    el("table", {}, el("tbody", {}, rows)),
  );
}

function valueOf(field) {
  if (field.null) return el("span", { class: "hint" }, "null");
  if (isAddress(field.name)) return outsideAddress(field.value ?? "");
  return el("span", { dir: "auto" }, field.value || "“”");
}
