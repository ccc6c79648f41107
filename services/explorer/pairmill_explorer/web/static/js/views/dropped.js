/** Candidates that became no sample, by reason. */

import { button, loading, meter, nothing } from "../controls.js";
import { el, put } from "../dom.js";
import { humanise } from "../fields.js";
import { count, int } from "../format.js";
import { outsideAddress } from "../outside.js";
import { trouble } from "../trouble.js";
import { createPage } from "./page.js";

const LEAD =
  "Candidates that were planned for download and became no sample: with the reason, and what exactly happened.";
const PAGE = 50;

/** Returns the view. */
export function createDropped({ store, api }) {
  const page = createPage("Dropped", LEAD, "dropped");

  function show({ dataset, options }) {
    const reason = options.reason ?? "";
    page.show(JSON.stringify([dataset, reason]), async (signal) => {
      const first = await api.search("ListDropped", { dataset, reason, page_size: PAGE }, signal);
      return [reasonList(first.counts ?? [], reason, store), droppedList(api, { dataset, reason }, first)];
    });
  }

  return { element: page.element, show, leave: page.leave };
}

function reasonList(counts, chosen, store) {
  const entries = counts
    .map((entry) => ({ reason: reasonName(entry.reason), rows: int(entry.rows) }))
    .sort((one, other) => other.rows - one.rows);
  const all = entries.reduce((sum, { rows }) => sum + rows, 0);
  const most = entries[0]?.rows ?? 0;
  const choose = (reason) => store.set({ options: { ...store.state.options, reason } });
  const row = (reason, text, rows, top) =>
    el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "reason-choice",
          "aria-pressed": String(reason === chosen),
          data: { reason },
          on: { click: () => choose(reason) },
        },
        el("span", {}, text),
        el("span", { class: "facet-count" }, count(rows)),
        meter(rows, top, `${count(rows)} of ${count(all)}`, "seg-failed"),
      ),
    );
  return el(
    "nav",
    { class: "reason-list", "aria-label": "Reasons" },
    el(
      "ul",
      {},
      row("", "All reasons", all, all),
      entries.map(({ reason, rows }) => row(reason, humanise(reason), rows, most)),
    ),
  );
}

/** The enum's name as the rest of the interface writes reasons. */
function reasonName(name = "") {
  return String(name)
    .replace(/^REASON_/, "")
    .toLowerCase();
}

function droppedList(api, request, first) {
  const list = el("ol", { class: "dropped-list" });
  const foot = el("div", { class: "grid-foot" });
  let cursor = "";
  take(first);
  return el("div", { class: "dropped-rows" }, list, foot);

  function take(answer) {
    const rows = answer.dropped ?? [];
    list.append(...rows.map(droppedRow));
    cursor = answer.next_cursor ?? "";
    if (list.children.length === 0)
      put(foot, nothing("Nothing was dropped", "Every candidate became a sample."));
    else
      put(foot, cursor ? button("Load more", { press: more }) : el("p", { class: "hint" }, "That is all."));
  }

  async function more() {
    put(foot, loading("Loading more…"));
    try {
      take(await api.search("ListDropped", { ...request, page_size: PAGE, cursor }));
    } catch (error) {
      put(foot, trouble(error, more));
    }
  }
}

function droppedRow({ url = "", text, reason = "", detail, page_url: page }) {
  return el(
    "li",
    { class: "dropped-row" },
    el(
      "p",
      { class: "row" },
      el("span", { class: "badge verdict-failed" }, humanise(reason)),
      detail && el("span", { class: "hint" }, detail),
    ),
    el("p", { dir: "auto" }, text),
    el(
      "p",
      { class: "addresses" },
      outsideAddress(url, "image"),
      page && el("span", { class: "on-page" }, "on ", outsideAddress(page)),
    ),
  );
}
