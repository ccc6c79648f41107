/** What is known of a dataset and its indices. */

import { openDialog } from "./dialog.js";
import { el } from "./dom.js";
import { count, percent, score } from "./format.js";

/** Opens a list of facts about a dataset. */
export function openAbout(info) {
  openDialog(
    info.dataset,
    [
      el(
        "dl",
        { class: "columns" },
        facts(info).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
      ),
      el("h3", {}, "Indices"),
      el("div", { class: "table-frame" }, indexTable(info.indices ?? [])),
    ],
    { kind: "middle" },
  );
}

function facts(info) {
  const version = (text) => el("code", { class: "address" }, text ?? "");
  return [
    [
      "Samples",
      `${count(info.samples)}, of them kept ${count(info.kept)} (${percent(Number(info.kept ?? 0), Number(info.samples ?? 0))})`,
    ],
    ["Model", `${info.model ?? ""}, ${count(info.dimensions)} dimensions`],
    ["Unsafe above", score(info.max_unsafe_score ?? 0)],
    ["Dataset version", version(info.dataset_version)],
    ["Index version", version(info.index_version)],
    ...(info.trouble ? [["In trouble", info.trouble]] : []),
  ];
}

function indexTable(indices) {
  const head = ["Bucket", "Of", "Vectors", "Kind", "Recall@10"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  const rows = indices.map((index) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, index.bucket),
      el("td", {}, index.modality === "MODALITY_TEXT" ? "texts" : "images"),
      el("td", { class: "number" }, count(index.vectors)),
      el("td", {}, el("code", {}, index.kind)),
      el("td", { class: "number" }, index.recall_at_10 === undefined ? "–" : score(index.recall_at_10)),
    ),
  );
  return el("table", { class: "facts-table" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
}
