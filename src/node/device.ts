/**
 * A WebGPU device in Node, from Dawn (npm package `webgpu`, an optional peer).
 *
 * The search runs once per process; its result is kept for good, because Dawn's devices live only as long as the
 * `GPU` object they came from.
 */
import { isMainThread } from 'node:worker_threads';
import {
  type DeviceOptions as AnyDeviceOptions,
  checkDeviceOptions,
  describeAdapter,
  requestDeviceFrom,
} from '../gpu/device.js';
import { DownhillError } from '../gpu/errors.js';
import { checkFlag } from '../gpu/fields.js';
import { calmDevice, calmGpu } from './calm.js';
import { DRIVER_VARIABLES, type Driver, findDrivers, findLoaders } from './drivers.js';

/** Options of `requestDevice` in Node. */
export interface DeviceOptions extends AnyDeviceOptions {
  /**
   * Nap while waiting for the device, 0.3 ms at a time, instead of taking a core from its driver. Default: on a CPU adapter,
   * unless the variable DOWNHILL_CALM is 0.
   */
  readonly calm?: boolean;
}

/** Dawn's entry, with the driver that gave its adapter. */
export interface FoundGpu {
  readonly gpu: GPU;
  readonly driver: Driver;
}

interface Dawn {
  create(options: string[]): GPU;
  readonly globals: object;
}

/**
 * Dawn rounds timestamps to 65,536 ns, for pages that must not spy on each other. A Node process has no such neighbours,
 * and a dispatch of a small network is over sooner.
 */
const FINE_TIMESTAMPS = ['disable-dawn-features=timestamp_quantization'];

/** Switches off what a CPU adapter gets where nothing else is asked for. */
const CALM = process.env.DOWNHILL_CALM !== '0';

interface Found extends FoundGpu {
  /** Adapters whose devices are as Dawn makes them. */
  readonly plain: Pick<GPU, 'requestAdapter'>;
}

let found: Promise<Found> | undefined;

/**
 * A device in Node: on hardware (Vulkan, Metal, D3D12), else lavapipe, else the SwiftShader of an installed Chrome or
 * Chromium. When VK_DRIVER_FILES is set, on that driver only. `describeAdapter(device)` names what was found.
 *
 * @throws DownhillError NO-WEBGPU, NO-ADAPTER, DEVICE-REQUEST.
 */
export async function requestDevice(options: DeviceOptions = {}): Promise<GPUDevice> {
  checkDeviceOptions(options, ['calm']);
  if (options.calm !== undefined) checkFlag('calm', options.calm);
  const { plain } = await find();
  const device = await requestDeviceFrom(plain, options, noAdapterFix());
  return (options.calm ?? (CALM && describeAdapter(device).cpu)) ? calmDevice(device) : device;
}

/**
 * Dawn's `GPU`, known to have an adapter, and the driver behind it. The devices of a CPU adapter are calm, as those of
 * `requestDevice` are.
 *
 * @throws DownhillError NO-WEBGPU when the package `webgpu` is missing, NO-ADAPTER when no driver gives an adapter.
 */
export function requestGpu(): Promise<FoundGpu> {
  return find();
}

function find(): Promise<Found> {
  found ??= search().then(
    ({ gpu, driver }) => {
      const plain = { requestAdapter: gpu.requestAdapter.bind(gpu) };
      return { gpu: CALM ? calmGpu(gpu) : gpu, driver, plain };
    },
    (error) => {
      found = undefined; // a driver may be installed before the next call
      throw error;
    },
  );
  return found;
}

async function search(): Promise<FoundGpu> {
  const dawn = await loadDawn();
  Object.assign(globalThis, dawn.globals); // GPUBufferUsage and the like, as in a browser

  const drivers = ensureLoader() ? findDrivers() : [];
  let spare: FoundGpu | undefined;
  for (const driver of drivers) {
    // The system's own CPU adapter gives way to lavapipe, which is faster than the others, and to nothing else.
    if (spare && driver.kind !== 'lavapipe') break;
    const answer = await tryDriver(dawn, driver);
    if (answer?.wanted) return answer;
    spare ??= answer;
  }
  if (spare) return spare;
  throw new DownhillError('NO-ADAPTER', `No WebGPU adapter in Node: ${describeSearch(drivers)}.`, noAdapterFix());
}

/** Imports the package `webgpu`, or says how to get it. */
async function loadDawn(): Promise<Dawn> {
  try {
    return (await import('webgpu')) as Dawn;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // Only the package itself counts as missing, not a file inside it.
    if (code === 'ERR_MODULE_NOT_FOUND' && /'webgpu'/.test(message)) {
      throw new DownhillError(
        'NO-WEBGPU',
        "WebGPU in Node needs the npm package 'webgpu', which is not installed.",
        'Run: npm install webgpu',
        cause,
      );
    }
    throw new DownhillError(
      'NO-WEBGPU',
      `The npm package 'webgpu' does not load on ${process.platform}-${process.arch}: ${message.split('\n')[0]}.`,
      'Use a platform the package has a build for (Linux with glibc, macOS, Windows; x64 or arm64), or a browser.',
      cause,
    );
  }
}

/** Asks one driver for an adapter. `wanted` means: look no further. */
async function tryDriver(dawn: Dawn, driver: Driver): Promise<(FoundGpu & { wanted: boolean }) | undefined> {
  // Vulkan's loader reads these variables while Dawn answers the first requestAdapter, and never again.
  const saved = DRIVER_VARIABLES.map((name) => [name, process.env[name]] as const);
  if (driver.manifest) process.env.VK_DRIVER_FILES = driver.manifest;
  try {
    const backend = driver.manifest || driver.kind === 'user' ? ['backend=vulkan'] : [];
    const gpu = dawn.create([...backend, ...FINE_TIMESTAMPS]);
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return undefined;
    const { info } = adapter;
    const lavapipe = /llvmpipe|lavapipe/i.test(`${info.description} ${info.device}`);
    const kind = driver.kind === 'system' && lavapipe ? 'lavapipe' : driver.kind;
    const wanted = driver.kind !== 'system' || lavapipe || !info.isFallbackAdapter;
    return { gpu, driver: { ...driver, kind }, wanted };
  } finally {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/**
 * Makes sure that Dawn will find Vulkan's loader, and says whether it will.
 *
 * A Linux machine with nothing but Chrome has no `libvulkan.so.1` in its library path; Chrome has one in its folder.
 * Once a library is in the process, a later `dlopen` finds it by its name. Node offers `dlopen` for its addons: it
 * loads the library, then complains that it is no addon. NODELETE keeps it loaded after the complaint.
 */
function ensureLoader(): boolean {
  if (process.platform !== 'linux') return true;
  const NOW = 0x2;
  const GLOBAL = 0x100;
  const NODELETE = 0x1000;
  for (const library of ['libvulkan.so.1', ...findLoaders()]) {
    try {
      process.dlopen({ exports: {} }, library, NOW | GLOBAL | NODELETE);
      return true;
    } catch (error) {
      if (/self-register/.test((error as Error).message)) return true;
    }
  }
  return false;
}

function describeSearch(drivers: readonly Driver[]): string {
  if (drivers.length === 0) return 'no graphics driver was found, nor a Chrome or Chromium with one';
  const tried = drivers.map(({ kind, manifest }) => {
    if (kind === 'user') return `the one that VK_DRIVER_FILES names (${userManifests()})`;
    return manifest ? `${kind} (${manifest})` : 'the system';
  });
  return `asked ${tried.join(', ')}; none gave one`;
}

const userManifests = () => DRIVER_VARIABLES.map((name) => process.env[name]).find(Boolean);

function noAdapterFix(): string {
  if (userManifests())
    return 'Unset VK_DRIVER_FILES (and VK_ICD_FILENAMES), or point it at the manifest of a driver that works.';
  switch (process.platform) {
    case 'darwin':
      return 'Use macOS 11 or later on a Mac with Metal.';
    case 'win32':
      return 'Install the driver of the graphics card, or Chrome.';
    default:
      // A worker's process.env is a copy that native code does not see, so only the system's own choice works there.
      if (!isMainThread && findDrivers().length > 0) {
        return 'Call requestDevice in the main thread, or start Node with VK_DRIVER_FILES naming the driver.';
      }
      return (
        "Install the graphics card's Vulkan driver; or a CPU driver: 'npx downhill doctor --install-lavapipe' on Debian " +
        "and Ubuntu, mesa-vulkan-drivers elsewhere; or a browser that brings one: 'npx playwright-core install chromium'."
      );
  }
}
