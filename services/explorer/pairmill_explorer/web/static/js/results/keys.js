/** Arrow keys within a grid of cards: one card is in the order of tabs, the arrows move which. */

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** Makes a grid's cards reachable by arrows. */
export function moveByArrows(grid) {
  grid.addEventListener("keydown", (event) => {
    const card = event.target.closest(".card");
    if (!card || event.ctrlKey || event.metaKey || event.altKey || !event.target.matches(".card-open"))
      return;
    const cards = [...grid.querySelectorAll(".card")];
    const next = cards[target(cards, cards.indexOf(card), event.key)];
    if (!next) return;
    event.preventDefault();
    next.querySelector(".card-open").focus();
  });
}

function target(cards, at, key) {
  if (key in STEPS) return at + STEPS[key];
  if (key === "Home") return 0;
  if (key === "End") return cards.length - 1;
  if (key === "ArrowDown") return at + columns(cards);
  if (key === "ArrowUp") return at - columns(cards);
  return -1;
}

/** How many cards stand side by side. */
function columns(cards) {
  const top = cards[0]?.offsetTop;
  const wrapped = cards.findIndex((card) => card.offsetTop !== top);
  return wrapped === -1 ? cards.length : wrapped;
}
