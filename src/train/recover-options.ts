import { DownhillError, show } from '../gpu/errors.js';
import { checkNumber, checkOptions } from '../gpu/fields.js';
import type { RecoverEvent, RecoverOptions } from './recover-types.js';

const DEFAULTS = { every: 30, waits: [10, 30, 120] } as const;

export interface CheckedRecover {
  requestDevice(): Promise<GPUDevice>;
  readonly every: number;
  readonly waits: readonly number[];
  onEvent(event: RecoverEvent): void;
}

/**
 * @param standard where a device comes from when nobody says; undefined where there is no WebGPU to ask
 * @throws DownhillError OPTION-*
 */
export function checkRecover(
  recover: unknown,
  standard: (() => Promise<GPUDevice>) | undefined,
): CheckedRecover | undefined {
  if (recover === undefined || recover === false) return undefined;
  const options = (recover === true ? {} : recover) as RecoverOptions;
  checkOptions('recover', options, ['requestDevice', 'every', 'waits', 'onEvent']);
  const { requestDevice = standard, every = DEFAULTS.every, waits = DEFAULTS.waits, onEvent = () => {} } = options;
  if (typeof requestDevice !== 'function' || typeof onEvent !== 'function' || !Array.isArray(waits)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `recover: requestDevice and onEvent must be functions and waits a list, got ${show(requestDevice)}, ${show(onEvent)}, ${show(waits)}.`,
      "In Node, pass recover: { requestDevice } of 'downhill/node'.",
    );
  }
  return {
    requestDevice: () => requestDevice(),
    every: checkNumber('recover: every', every, { min: 0 }),
    waits: Array.from(waits as readonly unknown[], (wait, i) => checkNumber(`recover: waits[${i}]`, wait, { min: 0 })),
    onEvent,
  };
}
