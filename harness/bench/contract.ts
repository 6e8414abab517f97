/**
 * The words of the benchmark harness. Plain data first: it crosses from a page or a child process to the command line and
 * ends in report.json. Then what scenarios and peers are made of.
 */
import type { AdapterReport } from '../../src/index.js';
import type { ErrorParts } from '../common/io.js';

export type Place = 'node' | 'chrome';

/** What was asked for. */
export interface BenchConfig {
  readonly scenarios: readonly string[];
  /** Names of PEERS. */
  readonly peers: readonly string[];
  /** Fewer cases, shorter samples: minutes instead of an hour and a half. */
  readonly quick: boolean;
  readonly seed: number;
  /** Per cent of extra work put on downhill's own kernels: shows that the harness sees what is slower. Default 0. */
  readonly slow: number;
  /** Processes or pages over which the rounds of a case are spread: what one has by chance, the others have not. */
  readonly sessions: number;
}

/** One thing to measure, with several contenders: a scenario at certain sizes. */
export interface CaseSpec {
  readonly scenario: string;
  /** Unique within a report, and the same in every report: 'step/lecture-64-sgd'. */
  readonly id: string;
  /** For people: '784-100-100-100-100-10, batch 64, SGD'. */
  readonly title: string;
  readonly parameters: Readonly<Record<string, string | number>>;
}

/** One unit of a case's work (a step, an update, a product) and what it amounts to. */
export interface Work {
  /** What one iteration is: 'step', 'update', 'product', 'first step'. */
  readonly unit: string;
  /** Floating point operations of an iteration. */
  readonly flops?: number;
  /** Bytes an iteration has to move, at least. */
  readonly bytes?: number;
}

/** How well a contender's numbers agreed with what they should be. */
export interface Check {
  readonly ok: boolean;
  /** 'losses of 10 steps within 2.1e-7 of float64 (limit 1e-4)'. */
  readonly detail: string;
}

/**
 * 'measured': its times count. 'failed': its numbers are wrong, or it threw; it has no times. 'skipped': it cannot do this
 * here (a size over a limit, no WebGPU in this place), which is no fault.
 */
export type Outcome = 'measured' | 'failed' | 'skipped';

export interface ContenderResult {
  readonly name: string;
  readonly outcome: Outcome;
  /** Why it failed or was skipped; a remark on how it was measured. */
  readonly note?: string;
  readonly check?: Check;
  /** Iterations of one sample. */
  readonly iterations: number;
  /** Wall milliseconds of one iteration, a number per round; null in rounds it was left out of (too slow to repeat). */
  readonly samples: readonly (number | null)[];
  /** Milliseconds in which the GPU was busy, per iteration, in one more sample with `timestamp-query`. */
  readonly gpuMs?: number;
  /** Milliseconds for which the main thread was busy recording an iteration. */
  readonly hostMs?: number;
  /** Counted in one more sample, per iteration: dispatches, submits, buffers, bind groups. */
  readonly counts?: Readonly<Record<'dispatches' | 'submits' | 'buffers' | 'bindGroups', number>>;
  /** Facts of a scenario's own, such as phases of a start, in milliseconds or bytes. */
  readonly facts?: Readonly<Record<string, number>>;
}

export interface CaseResult {
  readonly spec: CaseSpec;
  readonly place: Place;
  readonly work: Work;
  /** The contender whose time is 1 in the ratios. */
  readonly baseline: string;
  readonly contenders: readonly ContenderResult[];
  readonly seconds: number;
  /** The case as a whole could not be run: the browser died, the device was lost. */
  readonly error?: ErrorParts;
}

export interface Machine {
  readonly place: Place;
  readonly adapter: AdapterReport | null;
  /** 'lavapipe', 'swiftshader', 'system' … in Node. */
  readonly driver: string | null;
  /** Name and version, and the flags it was started with. */
  readonly browser: { readonly name: string; readonly version: string; readonly flags: readonly string[] } | null;
  readonly userAgent?: string;
  readonly cores: number;
  readonly cpu: string;
  readonly os: string;
}

/** report.json. Read back by --compare, and by `report --from` in tests. */
export interface Report {
  readonly format: 'downhill-bench';
  readonly version: 1;
  readonly started: string;
  readonly seconds: number;
  readonly commit: string | null;
  readonly config: BenchConfig;
  readonly versions: Readonly<Record<string, string>>;
  /** One per place. */
  readonly machines: readonly Machine[];
  readonly cases: readonly CaseResult[];
}

/* ---------- what runs ---------- */

/** What a place offers to scenarios and peers. */
export interface Environment {
  readonly place: Place;
  readonly gpu: GPU | undefined;
  /** A device of its own, with every limit and feature of the adapter. Destroyed by whoever asked. */
  requestDevice(label: string): Promise<GPUDevice>;
  /** Waits until nothing works in the background, such as the compiling of WebAssembly; where that can be told. */
  quiet?(): Promise<void>;
}

/** A contender, ready to be timed. */
export interface Runner {
  /** Does `iterations`, each dependent on the one before, and resolves when the last is done (on the device, too). */
  run(iterations: number): Promise<void>;
  /**
   * Compares with what is right. Called before the timing and once more after it, on fresh inputs and poisoned outputs
   * where that can be: a contender that fails has no times.
   */
  check(): Promise<Check>;
  /** Records `iterations` without waiting for them, where the contender can run ahead: its time is the host's. */
  record?(iterations: number): void;
  /** Waits for what `record` left under way. */
  settle?(): Promise<void>;
  /**
   * Moves its arrays elsewhere in memory, contents and all, before each sample. Where arrays happen to lie decides the
   * speed of a kernel on some CPUs: here one process in ten had a copy kernel at 4.7 ms instead of 1.8, all its life.
   */
  relocate?(): void | Promise<void>;
  /**
   * Milliseconds of recording one iteration, by the contender's own account, where `record` cannot be had.
   *
   * @param iterations of a sample: as many as it may well do for it
   */
  hostMs?(iterations: number): Promise<number>;
  /** Its device, for GPU time and counts; undefined for what runs on the CPU. */
  readonly device?: GPUDevice;
  destroy(): void | Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** Throws a DownhillError LIMIT-* where a size does not fit: the contender is then skipped, with that reason. */
  open(): Promise<Runner>;
}

/** What a scenario makes of one of its cases. */
export interface OpenCase {
  readonly work: Work;
  readonly baseline: string;
  readonly contenders: readonly Contender[];
}

export interface Scenario {
  readonly name: string;
  /** A line for `bench --help` and for the report. */
  readonly help: string;
  /** Known without a GPU. */
  cases(config: BenchConfig): readonly CaseSpec[];
  open(spec: CaseSpec, config: BenchConfig, environment: Environment): Promise<OpenCase>;
}

/* ---------- what peers do ---------- */

/** Train a multilayer perceptron: relu between layers, from these weights, on these batches in turn. */
export interface StepTask {
  readonly sizes: readonly number[];
  readonly loss: 'softmax-cross-entropy' | 'mse';
  readonly batchSize: number;
  /** Plain SGD, or Adam with PyTorch's defaults. */
  readonly rule: 'sgd' | 'adam';
  readonly lr: number;
  /** Per layer: [inputs, outputs] row-major, and the bias. */
  readonly weights: readonly { readonly w: Float32Array<ArrayBuffer>; readonly b: Float32Array<ArrayBuffer> }[];
  readonly batches: readonly StepBatch[];
}

export interface StepBatch {
  /** [batchSize, inputs] row-major, as the network sees it. */
  readonly x: Float32Array<ArrayBuffer>;
  /** Class of each row, for cross-entropy. */
  readonly labels?: Int32Array<ArrayBuffer>;
  /** [batchSize, outputs], for mse: the mean over all elements. */
  readonly values?: Float32Array<ArrayBuffer>;
}

/** 'end': one loss after the last step of `train`. A number: of every so many steps, waited for before going on. */
export type ReadLoss = 'end' | number;

export interface StepPeer {
  /** `steps` steps on the first batch, from the task's weights and fresh optimizer state; the loss of each, before its update. */
  losses(steps: number): Promise<number[]>;
  /** Steps on the batches in turn, from wherever the weights are; resolves when the last step is done. */
  train(steps: number, read?: ReadLoss): Promise<void>;
  /** As Runner.record. */
  record?(steps: number): void;
  settle?(): Promise<void>;
  hostMs?(steps: number): Promise<number>;
  readonly device?: GPUDevice;
  destroy(): void | Promise<void>;
}

/**
 * 'forward': a[rows, inputs] · b[inputs, outputs] -> [rows, outputs].
 * 'input-gradient': a[rows, outputs] · b[inputs, outputs]ᵀ -> [rows, inputs].
 * 'weight-gradient': a[rows, inputs]ᵀ · b[rows, outputs] -> [inputs, outputs].
 */
export interface GemmTask {
  readonly op: 'forward' | 'input-gradient' | 'weight-gradient';
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

export interface GemmPeer {
  /** New operands in place of the task's, of the same shapes. */
  set(a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>): Promise<void>;
  /** One product; its result in host memory. */
  product(): Promise<Float32Array>;
  /** That many products of the same operands; resolves when the last is done. */
  run(products: number): Promise<void>;
  relocate?(): void | Promise<void>;
  record?(products: number): void;
  settle?(): Promise<void>;
  readonly device?: GPUDevice;
  destroy(): void | Promise<void>;
}

/** Updates of one flat tensor by a gradient that stays the same. */
export interface UpdateTask {
  readonly rule: 'sgd' | 'momentum' | 'adam';
  readonly lr: number;
  readonly param: Float32Array<ArrayBuffer>;
  readonly grad: Float32Array<ArrayBuffer>;
}

export interface UpdatePeer {
  /** Starts over with these, and fresh state. */
  set(param: Float32Array<ArrayBuffer>, grad: Float32Array<ArrayBuffer>): Promise<void>;
  run(updates: number): Promise<void>;
  /** The parameters as they are. */
  read(): Promise<Float32Array>;
  /** As Runner.relocate. */
  relocate?(): void | Promise<void>;
  record?(updates: number): void;
  settle?(): Promise<void>;
  readonly device?: GPUDevice;
  destroy(): void | Promise<void>;
}

/** Another library, or plain JavaScript, doing the same work in its best documented mode. */
export interface Peer {
  readonly name: string;
  /** For people: 'TensorFlow.js, WebGPU'. */
  readonly title: string;
  /** How it is used, for docs and report: 'jitted step, donated buffers; one loss read at the end'. */
  readonly mode: string;
  /** The npm package whose version the report names; none for plain JavaScript. */
  readonly package?: string;
  /** A place where quick runs leave it out, and why. */
  readonly notQuick?: { readonly place: Place; readonly why: string };
  step?(task: StepTask, environment: Environment): Promise<StepPeer>;
  gemm?(task: GemmTask, environment: Environment): Promise<GemmPeer>;
  update?(task: UpdateTask, environment: Environment): Promise<UpdatePeer>;
}
