/**
 * A drawing as an image of `height` x `width` bytes, as MNIST's were made: what is inked is scaled, in its proportions, so that
 * its longer side is 20/28 of the image, and its centre of mass comes to the middle.
 *
 * @param ink of each pixel of the drawing, 0 to 255, row by row
 * @param from how wide the drawing is
 * @returns all 0 where nothing is inked
 */
export function digitImage(ink: ArrayLike<number>, from: number, height: number, width: number): Uint8Array {
  const image = new Uint8Array(height * width);
  const box = inked(ink, from);
  if (!box) return image;
  const scale = ((20 / 28) * Math.min(height, width)) / Math.max(box.right - box.left, box.bottom - box.top);
  // A pixel of the image is the mean of the drawing's pixels under it: of a grid of points as fine as they are.
  const points = Math.max(1, Math.ceil(1 / scale));
  const rows = ink.length / from;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let point = 0; point < points * points; point++) {
        const x = column + ((point % points) + 0.5) / points;
        const y = row + (Math.floor(point / points) + 0.5) / points;
        const fromX = Math.floor((x - width / 2) / scale + box.x);
        const fromY = Math.floor((y - height / 2) / scale + box.y);
        if (fromX >= 0 && fromX < from && fromY >= 0 && fromY < rows) sum += ink[fromY * from + fromX]!;
      }
      image[row * width + column] = Math.round(sum / points ** 2);
    }
  }
  return image;
}

/** What is inked, and its centre of mass. */
function inked(ink: ArrayLike<number>, from: number) {
  let [left, right, top, bottom, mass, x, y] = [Infinity, -Infinity, Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < ink.length; i++) {
    const value = ink[i]!;
    if (value === 0) continue;
    const [column, row] = [i % from, Math.floor(i / from)];
    left = Math.min(left, column);
    right = Math.max(right, column + 1);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row + 1);
    mass += value;
    x += value * (column + 0.5);
    y += value * (row + 0.5);
  }
  return mass === 0 ? undefined : { left, right, top, bottom, x: x / mass, y: y / mass };
}
