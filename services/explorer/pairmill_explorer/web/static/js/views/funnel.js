/** The funnel: what each stage of the pipeline was given, what it let through, and why the rest stayed behind. */

import { meter } from "../controls.js";
import { el, svg } from "../dom.js";
import { humanise } from "../fields.js";
import { count, percent } from "../format.js";
import { changed, emptyFilters, writeState } from "../state.js";
import { stagesOf } from "./funnel_model.js";
import { createPage } from "./page.js";

const LEAD = "What each stage was given and what became of it. Every number is counted from the data.";
const WIDTH = 1000;
const BAR = 26;
const RIBBON = 100;

/** Returns the view. */
export function createFunnel({ store, api }) {
  const page = createPage("Funnel", LEAD, "funnel");

  function show({ dataset }) {
    page.show(dataset, async (signal) => {
      const { lines = [] } = await api.search("GetFunnel", { dataset }, signal);
      const stages = stagesOf(lines);
      const most = Math.max(...stages.map((stage) => stage.given), 1);
      return stages.map((stage, at) => stageSection(stage, nextInLine(stages, at), most, store));
    });
  }

  return { element: page.element, show, leave: page.leave };
}

/** The last "stage" sums up how candidates ended; nothing flows into it. */
function nextInLine(stages, at) {
  const next = stages[at + 1];
  return next && next.stage !== "dataset" ? next : null;
}

function stageSection(stage, next, most, store) {
  const total = stage.stage === "dataset";
  const title = total ? "All candidates" : stage.stage;
  return el(
    "section",
    { class: "stage", data: { stage: stage.stage } },
    el("h2", {}, title, el("span", { class: "stage-given" }, count(stage.given))),
    next && drawRibbon(stage, next, most),
    drawBar(stage, most),
    el(
      "ul",
      { class: "legend" },
      stage.outcomes.map((entry) => legendEntry(entry, stage)),
    ),
    stage.outcomes.filter(({ reasons }) => reasons.length).map((entry) => reasonTable(entry, stage, store)),
  );
}

function drawBar(stage, most) {
  let at = 0;
  const segments = stage.outcomes.map(({ outcome, rows }) => {
    const width = (WIDTH * rows) / most;
    const segment = svg(
      "rect",
      { class: `seg-${outcome}`, x: at, y: 0, width, height: BAR },
      svg("title", {}, `${humanise(outcome)}: ${count(rows)}`),
    );
    at += width;
    return segment;
  });
  const words = stage.outcomes.map(({ outcome, rows }) => `${humanise(outcome)} ${count(rows)}`).join(", ");
  return svg(
    "svg",
    {
      class: "funnel-bar",
      viewBox: `0 0 ${WIDTH} ${BAR}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${stage.stage}: given ${count(stage.given)}; ${words}`,
    },
    segments,
  );
}

/**
 * What flows on, from this bar to the next. Some stages hand on more than they call passed: of what the scorer
 * filters, the next stage still decides.
 */
function drawRibbon(stage, next, most) {
  const above = (WIDTH * Math.min(Math.max(stage.through, next.given), stage.given)) / most;
  const below = (WIDTH * next.given) / most;
  const points = `0,0 ${above},0 ${below},${RIBBON} 0,${RIBBON}`;
  return svg(
    "svg",
    {
      class: "funnel-ribbon",
      viewBox: `0 0 ${WIDTH} ${RIBBON}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    svg("polygon", { points }),
  );
}

function legendEntry({ outcome, rows }, stage) {
  return el(
    "li",
    {},
    el("span", { class: `swatch seg-${outcome}`, "aria-hidden": "true" }),
    `${humanise(outcome)} `,
    el("b", {}, count(rows)),
    el("span", { class: "hint" }, ` ${percent(rows, stage.given)}`),
  );
}

function reasonTable({ outcome, rows, reasons }, stage, store) {
  return el(
    "details",
    { class: "reasons" },
    el(
      "summary",
      {},
      `Why ${humanise(outcome)}: ${reasons.length} ${reasons.length === 1 ? "reason" : "reasons"}`,
    ),
    el(
      "table",
      {},
      el(
        "tbody",
        {},
        reasons.map((entry) => reasonRow(entry, outcome, rows, stage, store)),
      ),
    ),
  );
}

function reasonRow({ reason, rows }, outcome, all, stage, store) {
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, reasonLink(reason, outcome, stage, store)),
    el("td", { class: "bar" }, meter(rows, all, `${count(rows)} of ${count(all)}`, `seg-${outcome}`)),
    el("td", { class: "number" }, count(rows)),
  );
}

/** Samples that were filtered can be looked at, candidates that failed be listed; links that were dropped only counted. */
function reasonLink(reason, outcome, stage, store) {
  const change =
    outcome === "filtered"
      ? { view: "explore", parts: [], filters: { ...emptyFilters(), lists: { reasons: [reason] } } }
      : outcome === "failed" && ["download", "dataset"].includes(stage.stage)
        ? { view: "dropped", options: { reason } }
        : null;
  if (!change) return humanise(reason);
  const href = writeState(changed(store.state, change));
  return el(
    "a",
    { href, on: { click: (event) => (event.preventDefault(), store.set(change)) } },
    humanise(reason),
  );
}
