/** Composition: the parts of the page in the order in which they depend on each other. */

import { Api } from "./api.js";
import { createDetail } from "./detail/detail.js";
import { loading, nothing } from "./controls.js";
import { put } from "./dom.js";
import { createHeader } from "./header.js";
import { listenForKeys } from "./keyboard.js";
import { askForToken } from "./login.js";
import { createNotices } from "./notices.js";
import { createQueryBar } from "./query/bar.js";
import { withPart } from "./query/parts.js";
import { Store } from "./store.js";
import { trouble } from "./trouble.js";
import { createDropped } from "./views/dropped.js";
import { createExplore } from "./views/explore.js";
import { createFunnel } from "./views/funnel.js";
import { createThreshold } from "./views/threshold.js";
import { createSubsets } from "./subsets/view.js";

const CREATE = {
  explore: createExplore,
  funnel: createFunnel,
  dropped: createDropped,
  threshold: createThreshold,
  subsets: createSubsets,
};
/** Views in which a query can be seen, so that the search box stands above them. */
const WITH_QUERY = new Set(["explore"]);

start(document.getElementById("main"), document.getElementById("header"), document.getElementById("notices"));

function start(main, head, notices) {
  const store = new Store(window);
  const api = new Api(askForToken);
  const notify = createNotices(notices);
  const views = new Map();
  let datasets = [];
  let present = null;

  const actions = {
    open: (sample) => store.set({ sample: sample.sample_id }),
    alike: (sample) => search([{ kind: "sample", value: sample.sample_id, weight: 1 }]),
    combine: (sample, weight) =>
      search(withPart(store.state.parts, { kind: "sample", value: sample.sample_id, weight })),
  };
  const context = { store, api, actions, notify, hitsChanged: () => detail.showSteps() };
  const header = createHeader(head, { store, datasets: () => datasets, datasetInfo });
  const bar = createQueryBar(context);
  const detail = createDetail({ ...context, hits: () => views.get(store.state.view)?.hits?.() ?? [] });

  function search(parts) {
    store.set({ view: "explore", parts, sample: "" });
    main.focus({ preventScroll: true }); // the card that had the focus is gone
  }

  function datasetInfo() {
    return datasets.find(({ dataset }) => dataset === resolved(store.state).dataset);
  }

  /** The default dataset stands in no address, but every request names it. */
  function resolved(state) {
    return { ...state, dataset: state.dataset || (datasets[0]?.dataset ?? "") };
  }

  function show(state, scroll) {
    const full = resolved(state);
    header.show(state);
    const info = datasetInfo();
    if (!info || (info.trouble && !info.index_version)) {
      put(main, unavailable(info, full));
      return;
    }
    if (!views.has(state.view)) views.set(state.view, CREATE[state.view](context));
    const view = views.get(state.view);
    const moved = view !== present;
    if (moved) present?.leave?.();
    present = view;
    const parts = WITH_QUERY.has(state.view) ? [bar.element, view.element] : [view.element];
    if (main.lastElementChild !== view.element) put(main, parts);
    bar.show(full, info);
    view.show(full);
    if (moved || scroll !== undefined) scrollTo(0, scroll ?? 0);
    detail.show(full);
  }

  async function load() {
    put(main, loading());
    try {
      ({ datasets = [] } = await api.search("ListDatasets", {}));
      show(store.state);
    } catch (error) {
      put(main, trouble(error, load));
    }
  }

  store.subscribe(show);
  listenForKeys({
    focusQuery: () => bar.focus(),
    focusFilters: () => views.get(store.state.view)?.focusFilters?.(),
    alike: (sample_id) => actions.alike({ sample_id }),
    combine: (sample_id, weight) => actions.combine({ sample_id }, weight),
  });
  load();
}

function unavailable(info, state) {
  if (info) return nothing(`${info.dataset} cannot be searched now`, info.trouble);
  if (state.dataset)
    return nothing(
      "There is no such dataset",
      `Nothing called “${state.dataset}” is served here. Choose another one above.`,
    );
  return nothing(
    "No dataset is served",
    "Start the explorer with the folder of a dataset: pairmill explore DIR.",
  );
}
