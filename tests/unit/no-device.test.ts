import { describe, expect, it } from 'vitest';
import { BufferSet } from '../../src/gpu/buffers.js';
import { describeAdapter } from '../../src/gpu/device.js';
import { createPasses } from '../../src/gpu/passes.js';
import { checkTimestamps } from '../../src/gpu/timing.js';
import { loadForms } from '../../src/kernels/nn-forms.js';
import { mlp } from '../../src/nn/mlp.js';
import { tensorsOf } from '../../src/nn/model.js';
import { modelToJson } from '../../src/nn/model-json.js';
import { checkTargets } from '../../src/nn/targets.js';

/* What is given in the place of a device, or of a model, where only a part of it is used. */

const refused = expect.objectContaining({ name: 'DownhillError', code: 'OPTION-TYPE' });

describe.each([null, undefined, {}, 5, 'gpu'])('%j in the place of a device', (given) => {
  it.each<[string, (device: never) => unknown]>([
    ['describeAdapter', (device) => describeAdapter(device)],
    ['checkTimestamps', (device) => checkTimestamps(device)],
    ['createPasses', (device) => createPasses(device, [])],
    ['BufferSet', (device) => new BufferSet(device, 'x')],
    ['loadForms', (device) => loadForms(device)],
  ])('is refused by %s', async (_, call) => {
    await expect((async () => call(given as never))()).rejects.toEqual(refused);
  });
});

const model = mlp({ sizes: [4, 3] });
it.each([null, undefined, 5, { kind: 'model' }, { ...model, layers: null }])('%j is no model', (given) => {
  expect(() => modelToJson(given as never)).toThrow(refused);
  expect(() => tensorsOf(given as never)).toThrow(refused);
});

it('a width that is no number is shown, whatever it is', () => {
  const targets = { kind: 'classes', labels: Uint8Array.of(0), classes: Symbol('x') } as never;
  expect(() => checkTargets(model.loss, targets, 3, 1)).toThrow(/but the data Symbol\(x\) classes\..*SHAPE-MISMATCH/);
});
