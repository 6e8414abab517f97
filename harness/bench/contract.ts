/** The words of the benchmark harness: what scenarios and peers are made of. The plain data, which ends in report.json: report/read.ts. */
import type { BenchConfig, CaseSpec, Check, Place, Work } from './report/read.js';

export type {
  BenchConfig,
  CaseResult,
  CaseSpec,
  Check,
  ContenderResult,
  Machine,
  Outcome,
  Place,
  Report,
  Work,
} from './report/read.js';

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

/** What can be done with anything that runs, whoever made it. */
export interface Part {
  /** Records `iterations` without waiting for them, where it can run ahead: its time is the host's. */
  record?(iterations: number): void;
  /** Waits for what `record` left under way. */
  settle?(): Promise<void>;
  /**
   * Moves its arrays elsewhere in memory, contents and all, before each sample. Where arrays happen to lie decides the
   * speed of a kernel on some CPUs: here one process in ten had a copy kernel at 4.7 ms instead of 1.8, all its life.
   */
  relocate?(): void | Promise<void>;
  /**
   * Milliseconds of recording one iteration, by its own account, where `record` cannot be had.
   *
   * @param iterations of a sample: as many as it may well do for it
   */
  hostMs?(iterations: number): Promise<number>;
  /** Its device, for GPU time and counts; undefined for what runs on the CPU. */
  readonly device?: GPUDevice;
  destroy(): void | Promise<void>;
}

/** A contender, ready to be timed. */
export interface Runner {
  readonly part: Part;
  /** Does `iterations`, each dependent on the one before, and resolves when the last is done (on the device, too). */
  run(iterations: number): Promise<void>;
  /**
   * Compares with what is right. Called before the timing and once more after it, on fresh inputs and poisoned outputs
   * where that can be: a contender that fails has no times.
   */
  check(): Promise<Check>;
  /** Instead of the part's `destroy`. */
  destroy?(): void | Promise<void>;
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
  cases(config: Pick<BenchConfig, 'quick'>): readonly CaseSpec[];
  /** About how many contenders a case has, and operations of an iteration (a moved byte counts as one): for the time left. */
  guess(spec: CaseSpec, config: BenchConfig): { readonly contenders: number; readonly work: number };
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

export interface StepPeer extends Part {
  /** `steps` steps on the first batch, from the task's weights and fresh optimizer state; the loss of each, before its update. */
  losses(steps: number): Promise<number[]>;
  /** Steps on the batches in turn, from wherever the weights are; resolves when the last step is done. */
  train(steps: number, read?: ReadLoss): Promise<void>;
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

export interface GemmPeer extends Part {
  /** New operands in place of the task's, of the same shapes. */
  set(a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>): Promise<void>;
  /** One product; its result in host memory. */
  product(): Promise<Float32Array>;
  /** That many products of the same operands; resolves when the last is done. */
  run(products: number): Promise<void>;
}

/** Updates of one flat tensor by a gradient that stays the same. */
export interface UpdateTask {
  readonly rule: 'sgd' | 'momentum' | 'adam';
  readonly lr: number;
  readonly param: Float32Array<ArrayBuffer>;
  readonly grad: Float32Array<ArrayBuffer>;
}

export interface UpdatePeer extends Part {
  /** Starts over with these, and fresh state. */
  set(param: Float32Array<ArrayBuffer>, grad: Float32Array<ArrayBuffer>): Promise<void>;
  run(updates: number): Promise<void>;
  /** The parameters as they are. */
  read(): Promise<Float32Array>;
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
