import { describe, expect, it } from 'vitest';
import * as layers from '../../src/nn/layers.js';
import { losses } from '../../src/nn/losses.js';
import { ACTIVATIONS, LOSSES, mlp } from '../../src/nn/mlp.js';
import { type Model, sequential } from '../../src/nn/model.js';
import { modelFromJson, modelToJson } from '../../src/nn/model-json.js';

const { layerRows, linear, relu } = layers;
const through = (model: Model) => modelFromJson(JSON.parse(JSON.stringify(modelToJson(model))));

describe('a model as JSON', () => {
  it.each(ACTIVATIONS)('comes back whole, with %s', (activation) => {
    const { sizes, activation: _, ...model } = mlp({ sizes: [4, 6, 3], activation, init: 'pytorch' });
    expect(sizes).toEqual([4, 6, 3]);
    expect(through(model)).toEqual(model);
  });

  it('keeps the gain of its initial weights', () => {
    for (const gain of ['auto', 0.5] as const) {
      const model = sequential({ input: 4, layers: [linear(3)], init: 'orthogonal', gain });
      expect(through(model)).toEqual(model);
    }
  });

  it.each(LOSSES)('comes back with the loss %s', (name) => {
    const layers = [linear(3, { bias: false }), relu(), linear(2)];
    const model = sequential({ input: 4, layers, loss: losses[name](), init: 'zeros' });
    expect(through(model)).toEqual(model);
    expect(JSON.stringify(modelToJson(through(model)))).toBe(JSON.stringify(modelToJson(model)));
  });

  it('knows every layer by the name of its row', () => {
    const rows = Object.values(layers).flatMap((each) =>
      'row' in each ? [each.row as { readonly name: string }] : [],
    );
    expect(rows.length).toBeGreaterThan(7);
    for (const row of rows) expect(layerRows[row.name], row.name).toBe(row);
  });

  const good = modelToJson(mlp({ sizes: [4, 3] }));
  const layer = good.layers[0]!;
  it.each<[string, unknown, string, string]>([
    ['nothing', undefined, 'CHECKPOINT-CORRUPT', 'no model'],
    ['no layers', { ...good, layers: 3 }, 'CHECKPOINT-CORRUPT', 'no model'],
    ['a layer that is none', { ...good, layers: [7] }, 'CHECKPOINT-CORRUPT', 'layers[0]'],
    [
      'a layer of a newer release',
      { ...good, layers: [{ ...layer, name: 'attention' }] },
      'CHECKPOINT-VERSION',
      'attention',
    ],
    ['a name of every object', { ...good, layers: [{ ...layer, name: 'toString' }] }, 'CHECKPOINT-VERSION', 'toString'],
    [
      'a setting of a newer release',
      { ...good, layers: [{ ...layer, settings: { out: 3, groups: 2 } }] },
      'CHECKPOINT-VERSION',
      'groups',
    ],
    ['a loss of a newer release', { ...good, loss: { name: 'ctc', settings: {} } }, 'CHECKPOINT-VERSION', 'the loss'],
    ['no loss', { ...good, loss: undefined }, 'CHECKPOINT-CORRUPT', 'the loss'],
    ['a width that is none', { ...good, layers: [{ ...layer, settings: { out: -1 } }] }, 'SHAPE-INVALID', 'layers[0]'],
    ['an unknown init', { ...good, init: 'magic' }, 'OPTION-RANGE', 'init'],
  ])('%s is refused', (_, json, code, words) => {
    expect(() => modelFromJson(json)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words), fix: expect.stringMatching(/\S/) }),
    );
  });

  it('takes rows of one’s own', () => {
    const row = { ...layerRows.relu!, name: 'my-relu' };
    const model = sequential({ input: 4, layers: [linear(3), { row, settings: {} }] });
    expect(modelFromJson(modelToJson(model), { layers: [row] })).toEqual(model);
    expect(() => through(model)).toThrow(/CHECKPOINT-VERSION/);
  });
});
