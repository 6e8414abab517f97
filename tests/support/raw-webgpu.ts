/** What examples/raw-webgpu has to find: the least squares of its points, from the normal equations in float64. */
function solve(): { loss: number; coefficients: number[] } {
  const points = Array.from({ length: 256 }, (_, i) => {
    const x = (2 * i) / 255 - 1;
    return { powers: [1, x, x * x, x ** 3], y: Math.sin(3 * x) + 0.1 * Math.sin(997 * i) };
  });
  const rows = [0, 1, 2, 3].map((a) => [
    ...[0, 1, 2, 3].map((b) => points.reduce((sum, { powers }) => sum + powers[a]! * powers[b]!, 0)),
    points.reduce((sum, { powers, y }) => sum + powers[a]! * y, 0),
  ]);
  // Gauss-Jordan.
  for (const [i, row] of rows.entries()) {
    for (const [j, other] of rows.entries()) {
      if (j === i) continue;
      const factor = other[i]! / row[i]!;
      for (let k = 0; k < 5; k++) other[k]! -= factor * row[k]!;
    }
  }
  const coefficients = rows.map((row, i) => row[4]! / row[i]!);
  const squares = points.map(({ powers, y }) => (powers.reduce((sum, p, i) => sum + p * coefficients[i]!, 0) - y) ** 2);
  return { coefficients, loss: squares.reduce((sum, square) => sum + square, 0) / points.length };
}

export const EXAMPLE_FIT = solve();
