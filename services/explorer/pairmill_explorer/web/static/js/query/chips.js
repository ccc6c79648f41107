/** The parts of a query as chips: what it is, how much it weighs, and away with it. */

import { imageAddress } from "../api.js";
import { button } from "../controls.js";
import { el } from "../dom.js";
import { imageObject } from "./images.js";

/** Returns a chip; `weigh(weight)` and `remove()` are called by its controls. */
export function partChip(part, { key, dataset, mode, weigh, remove }) {
  const name = partName(part);
  return el(
    "li",
    { class: `chip part ${part.weight < 0 ? "negative" : ""}`.trim() },
    picture(part, dataset, mode),
    el("span", { class: "chip-text", title: part.kind === "text" ? part.value : null }, name),
    el("input", {
      class: "chip-weight",
      data: { key },
      type: "number",
      step: "0.25",
      min: "-4",
      max: "4",
      value: String(part.weight),
      "aria-label": `Weight of ${name}; negative moves away from it`,
      on: { change: (event) => weighed(event.target, part, weigh) },
    }),
    button("", { symbol: "close", label: `Remove ${name}`, kind: "quiet small", press: remove }),
  );
}

/** Returns a part in words. */
export function partName(part) {
  if (part.kind === "text") return part.value;
  return part.kind === "image" ? "your image" : `like ${part.value.slice(0, 8)}…`;
}

function weighed(input, part, weigh) {
  const weight = Number(input.value);
  if (input.value.trim() !== "" && Number.isFinite(weight) && weight !== 0) weigh(weight);
  else input.value = String(part.weight);
}

function picture(part, dataset, mode) {
  if (part.kind === "text") return null;
  const own = part.kind === "image";
  const image = el("img", { class: "chip-image", alt: "", width: 28, height: 28 });
  const gone = () => image.classList.add("gone");
  image.addEventListener("error", gone);
  try {
    image.src = own ? imageObject(part.value) : imageAddress(dataset, part.value, 320, mode);
  } catch {
    gone(); // an address was cut on its way here
  }
  if (own) image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  return image;
}
