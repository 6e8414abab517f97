/*
 * WebGPU's flags as the specification numbers them. The library uses no WebGPU global (`GPUBufferUsage` and the like), so
 * that it runs on a device of any binding, whether or not its globals were installed.
 */

export const USAGE = {
  MAP_READ: 0x1,
  COPY_SRC: 0x4,
  COPY_DST: 0x8,
  UNIFORM: 0x40,
  STORAGE: 0x80,
  QUERY_RESOLVE: 0x200,
} as const;

/** GPUShaderStage.COMPUTE */
export const COMPUTE_STAGE = 0x4;

/** GPUMapMode.READ */
export const MAP_READ = 0x1;

/** The largest float32. */
export const MAX_F32 = 3.4028234663852886e38;
