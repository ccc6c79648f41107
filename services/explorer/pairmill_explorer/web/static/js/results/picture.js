/** A sample's picture: lazily loaded, a placeholder where the dataset holds none, blurred where it is unsafe. */

import { imageAddress } from "../api.js";
import { button } from "../controls.js";
import { el, put } from "../dom.js";
import { icon } from "../icons.js";

/**
 * Returns a picture. `side` is the longest side to ask for, `mode` the safe mode that counts. Under `blur` an unsafe
 * one has a button that uncovers it.
 */
export function createPicture(sample, { dataset, side, mode }) {
  const element = el("div", { class: "picture" });
  if (!sample.has_image) return put(element, placeholder("not kept"));
  const image = el("img", {
    src: imageAddress(dataset, sample.sample_id, side, mode),
    alt: "",
    loading: "lazy",
    decoding: "async",
    width: sample.width || null,
    height: sample.height || null,
  });
  image.addEventListener("error", () => put(element, placeholder("not available")));
  element.append(image);
  if (sample.unsafe && mode !== "show") cover(element);
  return element;
}

function placeholder(text) {
  return el("span", { class: "placeholder" }, icon("gone"), el("span", {}, `Image ${text}`));
}

function cover(element) {
  element.classList.add("covered");
  const uncover = button("Show", {
    symbol: "eye",
    kind: "small uncover",
    press: (event) => {
      event.stopPropagation();
      element.classList.remove("covered");
      uncover.remove();
    },
  });
  element.append(uncover);
}
