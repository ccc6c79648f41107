/** The head of the page: where one is, which dataset, light or dark. */

import { openAbout } from "./about.js";
import { button, select } from "./controls.js";
import { el, put, putKeepingFocus } from "./dom.js";
import { openHelp } from "./help.js";
import { VIEWS, changed, writeState } from "./state.js";
import { createThemeSwitch } from "./theme.js";

const TITLES = {
  explore: "Explore",
  funnel: "Funnel",
  dropped: "Dropped",
  threshold: "Threshold",
  subsets: "Subsets",
};

/** Returns `{show(state)}`; fills the header. */
export function createHeader(element, { store, datasets, datasetInfo }) {
  const tabs = new Map(VIEWS.map((view) => [view, el("a", { class: "tab" }, TITLES[view])]));
  const picker = el("span", { class: "header-dataset" });
  const about = button("", {
    symbol: "data",
    label: "About this dataset",
    kind: "quiet",
    press: () => openAbout(datasetInfo()),
  });
  for (const [view, tab] of tabs) {
    tab.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab, as everywhere
      event.preventDefault();
      store.set({ view, sample: "", options: {} });
    });
  }
  put(
    element,
    el(
      "a",
      { class: "brand", href: "/", "aria-label": "Pairmill, start anew" },
      el("img", { src: "/static/icon.svg", alt: "", width: 22, height: 22 }),
      el("span", {}, "Pairmill"),
    ),
    el("nav", { class: "tabs", "aria-label": "Views" }, [...tabs.values()]),
    picker,
    about,
    button("", {
      symbol: "help",
      label: "Keyboard and help",
      kind: "quiet",
      "aria-keyshortcuts": "?",
      press: openHelp,
    }),
    createThemeSwitch(),
  );
  return {
    show(state) {
      for (const [view, tab] of tabs) {
        tab.href = writeState(changed(state, { view, sample: "", options: {} }));
        if (view === state.view) tab.setAttribute("aria-current", "page");
        else tab.removeAttribute("aria-current");
      }
      document.title = `${TITLES[state.view]} · ${datasetInfo()?.dataset ?? "Pairmill"}`;
      about.disabled = !datasetInfo();
      putKeepingFocus(picker, datasetPicker(state, store, datasets()));
    },
  };
}

function datasetPicker(state, store, datasets) {
  if (datasets.length === 0) return [];
  const present = state.dataset || datasets[0].dataset;
  if (datasets.length === 1) return el("span", { class: "dataset-name" }, present);
  const options = datasets.map(({ dataset }) => [dataset, dataset]);
  // Filters and samples of one dataset need not be in another; a text can be searched for in all.
  const choose = (dataset) =>
    store.set({ dataset, sample: "", parts: store.state.parts.filter((part) => part.kind !== "sample") });
  return select("Dataset", options, present, choose, { hideLabel: true });
}
