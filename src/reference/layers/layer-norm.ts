import type { ReferenceLayerOf } from '../layer.js';

/** (x - mean)/√(variance + eps) of one row, and 1/√(variance + eps): mean and biased variance are the row's. */
function normalize(row: Float64Array, eps: number) {
  const mean = row.reduce((sum, value) => sum + value / row.length, 0);
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2 / row.length, 0);
  const scale = 1 / Math.sqrt(variance + eps);
  return { normal: row.map((value) => (value - mean) * scale), scale };
}

/** torch.nn.LayerNorm over the features of a row: (x - mean)/√(variance + eps)·weight + bias. */
export const layerNorm: ReferenceLayerOf = (width, _, settings) => {
  const { eps } = settings as { eps: number };
  return {
    forward(x, [weight, bias], { rows }) {
      const y = new Float64Array(x.length);
      for (let row = 0; row < rows; row++) {
        const { normal } = normalize(x.subarray(row * width, (row + 1) * width), eps);
        y.set(weight ? normal.map((value, j) => value * weight[j]! + bias![j]!) : normal, row * width);
      }
      return y;
    },
    backward(dy, { x, rows }, [weight]) {
      const dWeight = new Float64Array(width);
      const dBias = new Float64Array(width);
      const dx = new Float64Array(x.length);
      for (let row = 0; row < rows; row++) {
        const { normal, scale } = normalize(x.subarray(row * width, (row + 1) * width), eps);
        const d = dy.subarray(row * width, (row + 1) * width);
        const g = d.map((value, j) => value * (weight?.[j] ?? 1));
        const mean = g.reduce((sum, value) => sum + value / width, 0);
        const along = g.reduce((sum, value, j) => sum + (value * normal[j]!) / width, 0);
        for (let j = 0; j < width; j++) {
          dBias[j]! += d[j]!;
          dWeight[j]! += d[j]! * normal[j]!;
          dx[row * width + j] = scale * (g[j]! - mean - normal[j]! * along);
        }
      }
      return { gradients: weight ? [dWeight, dBias] : [], dx };
    },
  };
};
