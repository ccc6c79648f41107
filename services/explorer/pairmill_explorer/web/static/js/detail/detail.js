/** One sample, with all that is known of it. */

import { button, loading } from "../controls.js";
import { openDialog } from "../dialog.js";
import { el, put } from "../dom.js";
import { languageLabel } from "../fields.js";
import { outsideAddress } from "../outside.js";
import { createPicture } from "../results/picture.js";
import { languageBadge, verdictBadge } from "../results/badges.js";
import { effectiveMode } from "../safety.js";
import { trouble } from "../trouble.js";
import { openReport } from "./report.js";
import { columnSections, scoreSection } from "./sections.js";

const SIDE = 1024;

/**
 * Returns `{show(state), showSteps()}`: the first opens, changes or closes the view as the state says, the second takes
 * note of results that came meanwhile.
 */
export function createDetail({ store, api, actions, hits, notify }) {
  let dialog = null;
  let shown = "";
  const content = el("div", { class: "detail" });
  const before = button("", { symbol: "left", label: "Result before", kind: "quiet", press: () => step(-1) });
  const next = button("", { symbol: "right", label: "Next result", kind: "quiet", press: () => step(1) });

  function show(state) {
    if (!state.sample) {
      shown = "";
      dialog?.close();
      return;
    }
    if (!dialog) open();
    if (state.sample !== shown) load(state);
  }

  function open() {
    const closed = () => {
      dialog = null;
      if (store.state.sample) store.back({ sample: "" });
    };
    dialog = openDialog("Sample", content, { kind: "wide", closed, lead: [before, next] });
    dialog.element.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea, select")) return;
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
  }

  async function load(state) {
    shown = state.sample;
    showSteps();
    put(content, loading());
    try {
      const { samples = [] } = await api.search("GetSamples", {
        dataset: state.dataset,
        sample_ids: [state.sample],
      });
      if (shown !== state.sample) return;
      if (samples.length === 0)
        put(content, trouble(new Error("The dataset has no sample with this id, or no longer.")));
      else put(content, render(samples[0], hits()[place()], state));
    } catch (error) {
      if (shown === state.sample)
        put(
          content,
          trouble(error, () => load(state)),
        );
    }
  }

  function render(detail, hit, state) {
    const { sample } = detail;
    const mode = effectiveMode(state.filters.safe);
    return [
      el(
        "div",
        { class: "detail-picture" },
        createPicture(sample, { dataset: state.dataset, side: SIDE, mode: mode === "hide" ? "blur" : mode }),
      ),
      el(
        "div",
        { class: "detail-facts" },
        el(
          "p",
          { class: "detail-text", dir: "auto", lang: sample.language || null },
          sample.text || "(no text)",
        ),
        el(
          "p",
          { class: "row" },
          verdictBadge(sample),
          languageBadge(sample),
          el(
            "span",
            { class: "hint" },
            `${languageLabel(sample.language)} · ${sample.width ?? 0} × ${sample.height ?? 0} px`,
          ),
        ),
        buttons(sample, state),
        el("section", {}, el("h3", {}, "Image address"), outsideAddress(sample.url ?? "", "image")),
        scoreSection(sample, hit?.score),
        columnSections(detail),
      ),
    ];
  }

  function buttons(sample, state) {
    return el(
      "div",
      { class: "row actions" },
      button("More like this", { symbol: "alike", kind: "primary", press: () => actions.alike(sample) }),
      button("Add", { symbol: "plus", label: "Add to the query", press: () => actions.combine(sample, 1) }),
      button("Subtract", {
        symbol: "minus",
        label: "Subtract from the query",
        press: () => actions.combine(sample, -0.5),
      }),
      button("Copy id", { symbol: "copy", press: () => copy(sample.sample_id) }),
      button("Report", { symbol: "flag", press: () => openReport(sample, { api, dataset: state.dataset }) }),
    );
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      notify("Copied.");
    } catch {
      notify(text); // a browser that refuses the clipboard still shows what to copy
    }
  }

  /** Where the sample stands among the results; -1 if it does not. */
  function place() {
    return hits().findIndex((hit) => hit.sample.sample_id === shown);
  }

  function showSteps() {
    const at = place();
    before.disabled = at <= 0;
    next.disabled = at === -1 || at === hits().length - 1;
  }

  function step(by) {
    const at = place();
    const hit = at === -1 ? null : hits()[at + by];
    if (hit) store.set({ sample: hit.sample.sample_id }, { replace: true });
  }

  return { show, showSteps };
}
