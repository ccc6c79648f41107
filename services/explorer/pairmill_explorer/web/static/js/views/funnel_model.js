/** A funnel's lines, put together by stage. */

import { int } from "../format.js";

/** Outcomes that go on, then those that do not, in the order in which they are drawn. */
export const OUTCOMES = ["passed", "kept", "filtered", "failed", "dropped", "dead_letter", "cancelled"];
const THROUGH = new Set(["passed", "kept"]);

/** Returns `[{stage, given, through, outcomes: [{outcome, rows, reasons: [{reason, rows}]}]}]` in the order of the lines. */
export function stagesOf(lines) {
  const stages = new Map();
  for (const line of lines) {
    if (!stages.has(line.stage))
      stages.set(line.stage, { stage: line.stage, given: 0, through: 0, outcomes: new Map() });
    add(stages.get(line.stage), line);
  }
  return [...stages.values()].map((stage) => ({ ...stage, outcomes: ordered(stage.outcomes) }));
}

function add(stage, { outcome, reason = "", count }) {
  const rows = int(count);
  if (outcome === "in") {
    stage.given += rows;
    return;
  }
  if (THROUGH.has(outcome)) stage.through += rows;
  if (!stage.outcomes.has(outcome)) stage.outcomes.set(outcome, { outcome, rows: 0, reasons: [] });
  const entry = stage.outcomes.get(outcome);
  entry.rows += rows;
  if (reason) entry.reasons.push({ reason, rows });
}

function ordered(outcomes) {
  const place = ({ outcome }) => (OUTCOMES.includes(outcome) ? OUTCOMES.indexOf(outcome) : OUTCOMES.length);
  const list = [...outcomes.values()].sort((one, other) => place(one) - place(other));
  for (const { reasons } of list) reasons.sort((one, other) => other.rows - one.rows);
  return list;
}
