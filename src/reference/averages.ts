/** An average of weights in float64, in its textbook form. */
export interface ReferenceAverage {
  /**
   * Takes in the weights after an applied update.
   *
   * @param average what `value` is made of, updated in place; at first a copy of the initial weights
   * @param count of the update, from 1
   */
  update(average: Float64Array, weights: ArrayLike<number>, count: number, settings: Settings): void;
  /** The average itself. */
  value(average: Float64Array, count: number, settings: Settings): Float64Array;
}

type Settings = Readonly<Record<string, number | boolean>>;

const ema: ReferenceAverage = {
  update(average, weights, count, { decay, debias }) {
    const keep = Number(decay);
    for (let i = 0; i < average.length; i++) {
      const first = debias ? (1 - keep) * weights[i]! : weights[i]!;
      average[i] = count === 1 ? first : keep * average[i]! + (1 - keep) * weights[i]!;
    }
  },
  value: (average, count, { decay, debias }) =>
    debias && count > 0 ? average.map((each) => each / (1 - Number(decay) ** count)) : average.slice(),
};

const swa: ReferenceAverage = {
  update(average, weights, count, settings) {
    const [start, every] = [Number(settings.start), Number(settings.every)];
    const taken = (count - start) / every;
    if (count >= start && !Number.isInteger(taken)) return;
    for (let i = 0; i < average.length; i++) {
      average[i] = taken > 0 ? (average[i]! * taken + weights[i]!) / (taken + 1) : weights[i]!;
    }
  },
  value: (average) => average.slice(),
};

/** The float64 reference of every average, by the names of their rows. */
export const referenceAverages = { ema, swa } as const;
