/** The search box: text, images, and the parts of a combined query. */

import { button, segmented } from "../controls.js";
import { el, putKeepingFocus } from "../dom.js";
import { effectiveMode } from "../safety.js";
import { partChip } from "./chips.js";
import { imageAmong, imageValue } from "./images.js";
import { isPlain, withPart, withWeight, withoutPart } from "./parts.js";

const MOST_CHARACTERS = 2000;

/** Returns `{element, show(state), focus()}`. */
export function createQueryBar({ store, notify }) {
  const input = el("input", {
    type: "search",
    class: "query-text",
    maxlength: MOST_CHARACTERS,
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: "search",
    "aria-label": "Search by text",
    "aria-keyshortcuts": "/",
  });
  const file = el("input", {
    type: "file",
    accept: "image/*",
    hidden: true,
    "aria-label": "Image to search with",
  });
  const parts = el("ul", { class: "chips parts", "aria-label": "Parts of the query" });
  const modality = el("span", {});
  const more = button("", { symbol: "plus", label: "Add the text to the query", press: () => submit(true) });
  const chooser = button("", {
    symbol: "image",
    label: "Search by image",
    kind: "quiet",
    press: () => file.click(),
  });
  const submitter = el("button", { type: "submit", class: "button primary" }, "Search");
  const element = el(
    "form",
    { class: "query", role: "search", on: { submit: (event) => (event.preventDefault(), submit(false)) } },
    el(
      "div",
      { class: "query-row" },
      el("div", { class: "query-box" }, input, chooser, file),
      more,
      submitter,
      modality,
    ),
    parts,
  );
  file.addEventListener("change", () => {
    const chosen = imageAmong(file.files);
    file.value = ""; // so that the same file can be chosen again
    if (chosen) add(chosen, !isPlain(store.state.parts));
  });
  new ResizeObserver(() => tellHeight(element)).observe(element);
  takePasted(add, store);
  takeDropped(add);

  function submit(adding) {
    const value = input.value.trim();
    const { parts: present } = store.state;
    if (!value) {
      if (isPlain(present)) search([]);
      return;
    }
    const part = { kind: "text", value, weight: 1 };
    if (adding || !isPlain(present)) {
      const base = adding && isPlain(present) && present[0]?.value === value ? [] : present;
      search(withPart(base, part));
      if (adding) splitOff();
    } else search([part]);
  }

  /** After "add", the box is for the next part even if the query is still one plain text. */
  function splitOff() {
    input.value = "";
    showParts(store.state, true);
    input.focus();
  }

  async function add(image, combine) {
    try {
      const part = { kind: "image", value: await imageValue(image), weight: 1 };
      search(combine ? withPart(store.state.parts, part) : [part]);
    } catch {
      notify("This file is not an image that the browser can read.", { kind: "bad" });
    }
  }

  function search(next) {
    store.set({ view: "explore", parts: next, sample: "" });
  }

  /** Without the dataset's model neither texts nor images can be looked for, only samples' likes. */
  function setEncodable(can) {
    input.disabled = more.disabled = submitter.disabled = chooser.disabled = !can;
    element.classList.toggle("mute", !can);
    if (!can) input.placeholder = "This dataset's model is not here: only “more like this” can search";
  }

  function showParts(state, asChips) {
    const chips = state.parts.map((part, index) =>
      partChip(part, {
        key: `weight ${index}`,
        dataset: state.dataset,
        mode: state.filters.safe === "show" ? effectiveMode("show") : "hide",
        weigh: (weight) => search(withWeight(state.parts, index, weight)),
        remove: () => search(withoutPart(state.parts, index)),
      }),
    );
    const clear = el("li", {}, button("Clear query", { kind: "quiet small", press: () => search([]) }));
    putKeepingFocus(parts, asChips && chips.length > 0 ? [...chips, clear] : []);
    if (input.disabled) return;
    input.placeholder =
      asChips && chips.length > 0 ? "Add a text to the query" : "Describe a picture, or drop one here";
  }

  return {
    element,
    focus: () => (input.focus(), input.select()),
    show(state, info) {
      setEncodable(info?.can_encode ?? false);
      const plain = isPlain(state.parts);
      const text = plain ? (state.parts[0]?.value ?? "") : "";
      if (input.value.trim() !== text) input.value = text;
      showParts(state, !plain);
      putKeepingFocus(
        modality,
        segmented(
          "Search in",
          [
            ["image", "Images"],
            ["text", "Texts"],
          ],
          state.modality,
          (value) => store.set({ modality: value }),
        ),
      );
    },
  };
}

/** The box stays in sight and grows with its parts; what is stuck below it has to know. */
function tellHeight(element) {
  document.documentElement.style.setProperty("--bar", `${element.offsetHeight}px`);
}

function takePasted(add, store) {
  document.addEventListener("paste", (event) => {
    const image = imageAmong(event.clipboardData?.files);
    if (!image) return; // text goes where the cursor is
    event.preventDefault();
    add(image, !isPlain(store.state.parts));
  });
}

/** While something is dragged over the page, two areas say what dropping it will do. */
function takeDropped(add) {
  const areas = [
    ["Search with this image", false],
    ["Add it to the query", true],
  ].map(([text, combine]) => el("div", { class: "drop-area", data: { combine: String(combine) } }, text));
  const veil = el("div", { class: "drop-veil", hidden: true, "aria-hidden": "true" }, areas);
  document.body.append(veil);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (hasFiles(event)) veil.hidden = false;
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault(); // otherwise the browser would leave the page for the file
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    const image = imageAmong(event.dataTransfer.files);
    if (image) add(image, event.target.closest?.(".drop-area")?.dataset.combine === "true");
  });
}
