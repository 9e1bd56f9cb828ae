// A picture of the user's own: of the net's size it is taken as it is, of another one only when asked.

import { button, field, h, put } from "/web/dom.js";

const LARGEST = 40 * 2 ** 20;

/** A field for a file; `chosen()` is called when there is a picture, or it has been taken away. */
export function own(page, chosen) {
  const { say } = page;
  let shape = null; // channels, height, width
  let bitmap = null;
  let pixels = null;
  let fitted = false;
  const told = h("div", {});
  const inverse = h("input", { type: "checkbox", on: { change: take } });
  const turned = field(say("look.inverse"), inverse);
  const file = h("input", { type: "file", accept: "image/*", "data-own": true, on: { change: opened } });
  const away = button(say("look.no_own"), () => {
    forget();
    chosen();
  });
  const extras = h("div", { hidden: true }, turned, away);

  async function opened() {
    const given = file.files[0];
    if (!given) return;
    pixels = bitmap = null;
    fitted = inverse.checked = false;
    try {
      if (given.size > LARGEST) throw new Error("large");
      bitmap = await createImageBitmap(given);
    } catch {
      refuse(say("look.no_picture", { name: given.name.slice(0, 80) }));
      return;
    }
    take();
  }

  function refuse(text, remedy = null) {
    extras.hidden = true;
    put(told, h("p", { class: "problem", role: "alert" }, text), remedy);
  }

  function take() {
    if (!bitmap || !shape) return;
    const [, height, width] = shape;
    if (!fitted && (bitmap.width !== width || bitmap.height !== height)) {
      pixels = null;
      refuse(
        say("look.wrong_size", { got: `${bitmap.width}×${bitmap.height}`, needs: `${width}×${height}` }),
        button(
          say("look.fit"),
          () => {
            fitted = true;
            take();
          },
          { "data-fit": true },
        ),
      );
      return;
    }
    pixels = numbers();
    put(told);
    extras.hidden = false;
    chosen();
  }

  /** The picture's numbers, channel by channel, as base64: its middle, made as small as the net wants. */
  function numbers() {
    const [channels, height, width] = shape;
    const scale = Math.min(bitmap.width / width, bitmap.height / height);
    const [w, t] = [width * scale, height * scale];
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "white"; // behind what is transparent
    pen.fillRect(0, 0, width, height);
    pen.drawImage(bitmap, (bitmap.width - w) / 2, (bitmap.height - t) / 2, w, t, 0, 0, width, height);
    const { data } = pen.getImageData(0, 0, width, height);
    const count = width * height;
    const found = new Uint8Array(channels * count);
    for (let k = 0; k < count; k++) {
      const colours = data.subarray(4 * k, 4 * k + 3);
      const grey = Math.round((colours[0] + colours[1] + colours[2]) / 3);
      for (let c = 0; c < channels; c++) {
        const one = channels === 3 ? colours[c] : grey;
        found[c * count + k] = inverse.checked ? 255 - one : one;
      }
    }
    let text = "";
    for (const one of found) text += String.fromCharCode(one);
    return btoa(text);
  }

  function forget() {
    file.value = "";
    pixels = bitmap = null;
    extras.hidden = true;
    put(told);
  }

  return {
    element: h("div", {}, field(say("look.own"), file), told, extras),
    /** What is sent with every question. */
    params: () => (pixels ? { pixels } : {}),
    /** What the net wants: channels, height, width. */
    wants(now) {
      shape = now;
    },
    forget,
  };
}
