// The floors of DESIGN section 2. A floor imports lower floors only; siblings never import each other; no cycles.
//   shaders -> gpu -> kernels -> space -> optim | nn | data | problems -> train -> store | checks | landscape | trajectory | search -> (index, node) -> app | harness
const floors = {
  shaders: [],
  gpu: ['shaders'],
  kernels: ['shaders', 'gpu'],
  space: ['shaders', 'gpu', 'kernels'],
  optim: ['shaders', 'gpu', 'kernels', 'space'],
  nn: ['shaders', 'gpu', 'kernels', 'space'],
  data: ['shaders', 'gpu', 'kernels', 'space'],
  // Analytic functions to minimize.
  problems: ['shaders', 'gpu', 'kernels'],
  train: ['shaders', 'gpu', 'kernels', 'space', 'optim', 'nn', 'data', 'problems'],
  // The float64 oracle may read descriptions (rules' hyper-parameters, the model), never run a kernel.
  reference: ['gpu', 'optim', 'nn', 'data'],
  onnx: ['gpu', 'nn', 'train'],
  // What is tried before a training: the one floor that runs kernels beside the oracle.
  checks: ['gpu', 'kernels', 'space', 'optim', 'nn', 'data', 'train', 'reference'],
  // The loss round a network's weights.
  landscape: ['gpu', 'kernels', 'space', 'nn', 'data', 'train'],
  // Ways down analytic functions: on the oracle, or on a device.
  trajectory: ['gpu', 'kernels', 'space', 'optim', 'problems', 'train', 'reference'],
  // Where checkpoints are kept: on a disk, in a browser.
  store: ['gpu', 'train'],
  // Searches hyper-parameters by training; methods and logs need no GPU.
  search: ['gpu', 'kernels', 'space', 'optim', 'nn', 'data', 'train'],
  node: ['gpu', 'data', 'train', 'store', 'search'],
  // Other people's libraries, by their shape: none is imported.
  interop: ['gpu', 'optim'],
};

/**
 * The same of the harness' rooms: common -> pages -> train | bench | doctor; train -> inspect | checks | compare | tune | search | plane; search -> sweep. The set-up runs before there is a package, and
 * the libraries of benchmarks are built apart; what lies outside the rooms starts them, and may use all of them.
 */
const rooms = {
  common: [],
  pages: ['common'],
  train: ['common', 'pages'],
  inspect: ['common', 'train'],
  landscape: ['common'],
  compare: ['common', 'pages', 'train'],
  model: ['common', 'train'],
  checks: ['common', 'train'],
  tune: ['common', 'train'],
  search: ['common', 'train'],
  sweep: ['common', 'pages', 'train', 'search'],
  plane: ['common', 'train'],
  bench: ['common', 'pages', 'peers'],
  doctor: ['common', 'pages', 'setup'],
  torture: ['common', 'pages', 'train', 'search', 'sweep'],
  peers: ['bench'],
  setup: [],
  generate: [],
};

const within = (folder, parts) => `^${folder}/(${parts.join('|')})/`;

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...Object.entries(floors).map(([floor, below]) => ({
      name: `floor-${floor}`,
      comment: `src/${floor} may import only ${below.join(', ') || 'nothing'} (DESIGN section 2)`,
      severity: 'error',
      from: { path: `^src/${floor}/` },
      to: { path: '^src/', pathNot: within('src', [floor, ...below]) },
    })),
    ...Object.entries(rooms).map(([room, below]) => ({
      name: `room-${room}`,
      comment: `harness/${room} may import only ${below.join(', ') || 'nothing'} of the harness`,
      severity: 'error',
      from: { path: `^harness/${room}/` },
      to: { path: '^(harness|app)/', pathNot: within('harness', [room, ...below]) },
    })),
    {
      name: 'setup-alone',
      comment: 'the set-up runs before any package is installed: Node and its own files only',
      severity: 'error',
      from: { path: '^harness/setup/' },
      to: { pathNot: '^harness/setup/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'public-entries-only',
      comment: 'app/, harness/ and examples/ use the public entries, like any user would; the generator makes src/',
      severity: 'error',
      from: { path: '^(app|harness|examples)/', pathNot: '^harness/generate/' },
      to: {
        path: '^src/',
        pathNot:
          '^src/(index|node/index|onnx/index|checks/index|landscape/index|search/index|kernels/index|reference/index|trajectory/index|csv|fields|interop/[a-z]+|optim/schedules)\\.ts$',
      },
    },
    {
      name: 'no-runtime-dependency',
      comment:
        'the shipped library has no runtime dependency; webgpu is an optional peer of the Node entry, and the libraries of ' +
        './csv and ./onnx are built in',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(node/|onnx/|data/csv-parse\\.ts$)' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-peer', 'npm-optional', 'core'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types'] },
  },
};
