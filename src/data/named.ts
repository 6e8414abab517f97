import type { KnownFile } from './download.js';

/*
 * Data sets that are known by name: where they are, and what their files are. Nothing is taken whose checksum differs.
 */

/** The four files of a data set of IDX files. */
export interface NamedSet {
  readonly title: string;
  /** Samples of the two parts, what each is made of. */
  readonly train: number;
  readonly test: number;
  readonly features: number;
  readonly classes: number;
  /** Folders that have the files, in the order in which they are tried. */
  readonly mirrors: readonly string[];
  readonly files: readonly KnownFile[];
}

const shape = { train: 60_000, test: 10_000, features: 28 * 28, classes: 10 } as const;

// Checksums of the files as published. Those of MNIST's t10k files were computed from the files themselves, together with the
// md5 that torchvision lists for them (9fb629c4… and ec29112d…, which agree); the others are the SHA-256 that TensorFlow
// Datasets, Chainer and others list beside torchvision's md5.
export const NAMED_SETS = {
  mnist: {
    title: 'MNIST',
    ...shape,
    mirrors: [
      'https://ossci-datasets.s3.amazonaws.com/mnist/',
      'https://storage.googleapis.com/cvdf-datasets/mnist/',
      'http://yann.lecun.com/exdb/mnist/',
    ],
    files: [
      {
        name: 'train-images-idx3-ubyte.gz',
        bytes: 9_912_422,
        sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        bytes: 28_881,
        sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        bytes: 1_648_877,
        sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        bytes: 4542,
        sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      },
    ],
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST',
    ...shape,
    mirrors: [
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
      'https://storage.googleapis.com/tensorflow/tf-keras-datasets/',
      'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    ],
    files: [
      {
        name: 'train-images-idx3-ubyte.gz',
        bytes: 26_421_880,
        sha256: '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        bytes: 29_515,
        sha256: 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        bytes: 4_422_102,
        sha256: '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        bytes: 5148,
        sha256: '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
      },
    ],
  },
} as const satisfies Readonly<Record<string, NamedSet>>;

export type NamedDataset = keyof typeof NAMED_SETS;
