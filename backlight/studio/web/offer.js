// Enter takes what is offered for a formula, also when the key was pressed before the offer came.

/** `root` holds the offer, whose last button is the whole of it. */
export function offers(root) {
  let [wanted, answered] = [null, null];

  function take() {
    const whole = root.querySelector("[data-offer] button:last-child");
    if (wanted === null || wanted !== answered || !whole) return;
    wanted = null;
    whole.click();
  }

  return {
    accept(formula) {
      wanted = formula;
      take();
    },
    made(formula) {
      answered = formula;
      take();
    },
  };
}
