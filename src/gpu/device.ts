import { DownhillError } from './errors.js';
import { checkChoice, checkOptions, checkText, noDevice } from './fields.js';

/** Options of `requestDevice`, in the browser and in Node. */
export interface DeviceOptions {
  /** Which GPU of several. Default 'high-performance'. */
  readonly powerPreference?: 'high-performance' | 'low-power';
  /** Label of the device in errors and captures. Default 'downhill'. */
  readonly label?: string;
}

const DEVICE_OPTIONS = ['powerPreference', 'label'] as const;

/** What an adapter is, in words a report can print. */
export interface AdapterReport {
  /** One line: the adapter's own description, with "CPU adapter" where it is one. */
  readonly name: string;
  /** True for software drivers (lavapipe, SwiftShader, WARP): their speed says nothing about a GPU. */
  readonly cpu: boolean;
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly features: readonly string[];
  readonly limits: Readonly<Record<WantedLimit, number>>;
}

/** Limits asked for at the adapter's maximum: arenas, data sets and wide workgroups need more than the defaults. */
const WANTED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxUniformBufferBindingSize',
  'minStorageBufferOffsetAlignment',
] as const;
type WantedLimit = (typeof WANTED_LIMITS)[number];

/** Features used where they exist; none is required. */
const WANTED_FEATURES = ['timestamp-query', 'subgroups', 'shader-f16'] as const;

const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software|basic render/i;

/**
 * Asks `gpu` for an adapter and a device with the limits and features the kernels can use.
 * The entries `downhill` and `downhill/node` differ only in where `gpu` comes from.
 *
 * @throws DownhillError NO-ADAPTER when there is none; DEVICE-REQUEST when the adapter gives no device.
 */
export async function requestDeviceFrom(
  gpu: Pick<GPU, 'requestAdapter'>,
  options: DeviceOptions,
  noAdapterFix: string,
): Promise<GPUDevice> {
  const powerPreference = options.powerPreference ?? 'high-performance';
  const adapter = await gpu.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new DownhillError('NO-ADAPTER', 'WebGPU is here, but it offers no adapter.', noAdapterFix);
  }
  const requiredLimits: Record<string, number> = {};
  for (const limit of WANTED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
  const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[];
  try {
    return await adapter.requestDevice({ label: options.label ?? 'downhill', requiredLimits, requiredFeatures });
  } catch (cause) {
    throw new DownhillError(
      'DEVICE-REQUEST',
      `The adapter ${adapter.info.description || adapter.info.vendor} gave no device: ${(cause as Error).message}`,
      'Close other programs that use the GPU, or update its driver.',
      cause,
    );
  }
}

/** @param more options that only one entry has */
export function checkDeviceOptions(options: DeviceOptions, more: readonly string[] = []): void {
  checkOptions('requestDevice', options, [...DEVICE_OPTIONS, ...more]);
  if (options.powerPreference !== undefined) {
    checkChoice('powerPreference', options.powerPreference, ['high-performance', 'low-power']);
  }
  // Dawn ends the process of Node over a label that is a symbol.
  if (options.label !== undefined) checkText('label', options.label);
}

/**
 * A device from the browser's `navigator.gpu`, with limits and features raised to what the adapter has.
 *
 * Any other `GPUDevice` serves as well: every function of the library adopts the device it is given.
 *
 * @throws DownhillError NO-WEBGPU, NO-ADAPTER, DEVICE-REQUEST.
 */
export async function requestDevice(options: DeviceOptions = {}): Promise<GPUDevice> {
  checkDeviceOptions(options);
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) {
    const secure = (globalThis as { isSecureContext?: boolean }).isSecureContext;
    throw new DownhillError(
      'NO-WEBGPU',
      'This environment has no WebGPU (navigator.gpu is undefined).',
      secure === false
        ? 'Serve the page over https or from localhost: browsers hide WebGPU from insecure pages.'
        : "Use a current Chrome, Edge, Safari or Firefox; in Node, import requestDevice from 'downhill/node'.",
    );
  }
  return requestDeviceFrom(
    gpu,
    options,
    'Turn on hardware acceleration in the browser settings, update the graphics driver, or look at chrome://gpu.',
  );
}

/**
 * Describes the adapter behind a device: what every report, plan and benchmark names.
 *
 * @throws DownhillError OPTION-TYPE for what is no device
 */
export function describeAdapter(device: GPUDevice): AdapterReport {
  if (!(device as GPUDevice | null)?.limits) throw noDevice('describeAdapter', device);
  // Browsers had WebGPU for a while before devices told their adapter.
  const info: Partial<GPUAdapterInfo> = device.adapterInfo ?? {};
  const text = [info.description, info.device, info.architecture, info.vendor].filter(Boolean);
  const cpu = info.isFallbackAdapter === true || SOFTWARE.test(text.join(' '));
  const name = text[0] ?? 'unnamed adapter';
  const limits = {} as Record<WantedLimit, number>;
  for (const limit of WANTED_LIMITS) limits[limit] = device.limits[limit];
  return {
    name: cpu ? `${name} (CPU adapter)` : name,
    cpu,
    vendor: info.vendor ?? '',
    architecture: info.architecture ?? '',
    device: info.device ?? '',
    description: info.description ?? '',
    features: [...device.features].sort(),
    limits,
  };
}
