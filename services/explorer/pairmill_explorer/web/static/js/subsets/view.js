/** Subsets: the recipes that were saved, one of them with its exports, or the form of a new one. */

import { button, nothing } from "../controls.js";
import { el } from "../dom.js";
import { moment } from "../format.js";
import { changed, writeState } from "../state.js";
import { createPage } from "../views/page.js";
import { describeRecipe } from "./describe.js";
import { createEditor } from "./editor.js";
import { createExports } from "./exports.js";

const LEAD =
  "A recipe says what a subset is: query, filters, sampling. Exported, it becomes files; on a later version of the dataset, the same recipe gives the new cut.";
/** In the address; names of subsets stand there behind `=`, so that one may be called "new" as well. */
const NEW = "new";

/** Returns the view. */
export function createSubsets({ store, api, notify }) {
  const page = createPage("Subsets", LEAD, "subsets");

  function show(state) {
    const { subset = "" } = state.options;
    const { dataset } = state;
    if (subset === NEW) {
      page.show(JSON.stringify([NEW, { ...state, sample: "" }]), async () =>
        createEditor(state, { api, store, saved }),
      );
    } else if (subset) page.show(JSON.stringify([dataset, subset]), (signal) => one(dataset, subset, signal));
    else page.show(JSON.stringify([dataset]), (signal) => all(dataset, signal));
  }

  function saved(name) {
    notify(`Saved as ${name}.`);
    store.set({ options: { subset: `=${name}` } });
  }

  async function one(dataset, key, signal) {
    const { subset } = await api.subsets("GetSubset", { dataset, name: key.slice(1) }, signal);
    return [
      el("p", {}, link("All subsets", {}, store)),
      el(
        "section",
        { class: "card-like" },
        el("h2", {}, subset.recipe.name),
        subset.recipe.description && el("p", {}, subset.recipe.description),
        describeRecipe(subset.recipe),
        el(
          "p",
          { class: "hint" },
          `Revision ${subset.revision}, saved ${moment(subset.saved_at)} UTC · ${subset.digest.slice(0, 12)}`,
        ),
      ),
      createExports(subset, { api, store, dataset, signal }),
    ];
  }

  async function all(dataset, signal) {
    const { subsets = [] } = await api.subsets("ListSubsets", { dataset }, signal);
    const create = button("New from the present search", {
      kind: "primary",
      press: () => store.set({ options: { subset: NEW } }),
    });
    if (subsets.length === 0)
      return nothing(
        "No subset yet",
        "Search and filter until you see what you want, then make a subset of it.",
        create,
      );
    const rows = subsets.map(({ recipe, revision, saved_at }) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, link(recipe.name, { subset: `=${recipe.name}` }, store)),
        el("td", {}, recipe.description ?? ""),
        el("td", { class: "number" }, String(revision)),
        el("td", {}, moment(saved_at)),
      ),
    );
    const head = ["Name", "What it is for", "Revision", "Saved (UTC)"].map((text) =>
      el("th", { scope: "col" }, text),
    );
    return [
      el("div", { class: "row" }, create),
      el(
        "div",
        { class: "table-frame" },
        el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
      ),
    ];
  }

  return { element: page.element, show, leave: page.leave };
}

function link(text, options, store) {
  const href = writeState(changed(store.state, { options }));
  return el("a", { href, on: { click: (event) => (event.preventDefault(), store.set({ options })) } }, text);
}
