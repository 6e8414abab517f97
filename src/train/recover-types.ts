/** Options of a trainer's `recover`. */
export interface RecoverOptions {
  /**
   * A new device, when one was lost: `() => requestDevice()`. It belongs to the trainer, which destroys it in the end.
   * Default `requestDevice` of 'downhill', in a browser.
   */
  readonly requestDevice?: () => Promise<GPUDevice>;
  /** Seconds from one snapshot to the next, taken between submits of a run. Default 30. */
  readonly every?: number;
  /**
   * Seconds to wait where a device is lost within two minutes of the last one: the second time, the third … Behind the last
   * of them `run` throws DEVICE-LOST. Default [10, 30, 120].
   */
  readonly waits?: readonly number[];
  /** Told of every loss and every recovery. */
  readonly onEvent?: (event: RecoverEvent) => void;
}

export type RecoverEvent =
  | {
      readonly kind: 'lost';
      /** Steps submitted by then. */
      readonly step: number;
      readonly error: unknown;
      /** Seconds until it tries to go on. */
      readonly wait: number;
    }
  | {
      readonly kind: 'recovered';
      /** The step of the snapshot: training goes on from there. */
      readonly step: number;
      /** The last step that was reported: those up to it are trained again, and not reported. */
      readonly reached: number;
      /** Passes in another form than on the lost device: from here on the bits are others. */
      readonly otherForms: readonly string[];
    };
