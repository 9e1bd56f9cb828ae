// How numbers are written on the page: short, with a real minus sign.

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A number in few characters; what is no number (NaN, ∞) arrives as its text. */
export function short(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size < 1e-3 || size >= 1e5
      ? value
          .toExponential(Math.min(2, digits - 1))
          .replace("e+", "e")
          .replace(/\.?0+e/, "e")
      : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−").replace("e-", "e−");
}

/** A number with so many digits after the point. */
export function fixed(value, digits = 2) {
  if (typeof value !== "number") return short(value);
  return (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
}

/** A share as a percentage. */
export function percent(value, digits = 1) {
  return typeof value === "number" ? `${fixed(value * 100, digits)} %` : short(value);
}

/** Ten to a whole power. */
export function power(exponent) {
  if (exponent >= 0 && exponent <= 3) return String(10 ** exponent);
  return "10" + String(exponent).replace(/[-0-9]/g, (one) => SUPERSCRIPT[one]);
}

/** Seconds in the unit that suits. */
export function seconds(value) {
  if (typeof value !== "number") return "–";
  if (value < 60) return `${short(value, 2)} s`;
  return value < 3600 ? `${Math.floor(value / 60)} min ${Math.round(value % 60)} s` : `${short(value / 3600, 2)} h`;
}
