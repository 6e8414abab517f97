/*
 * What the generator reads out of a hand-written .wgsl file (harness/generate): the text, and the layouts nobody
 * types by hand. One module per file under src/shaders, checked in, checked fresh by `npm run check`.
 */

export interface ShaderBinding {
  readonly binding: number;
  readonly name: string;
  readonly type: 'uniform' | 'storage' | 'read-only-storage';
  /** Smallest binding that holds one element, in bytes. */
  readonly minSize: number;
}

export interface ShaderField {
  /** Byte offset in the struct. */
  readonly offset: number;
  readonly type: 'f32' | 'u32' | 'i32';
}

export interface ShaderStruct {
  readonly size: number;
  readonly fields: Readonly<Record<string, ShaderField>>;
}

export interface Shader {
  /** Path under shaders/ without the ending: 'optim/adam'. */
  readonly name: string;
  /** The file's text without comments and indentation; with them it is `downhill/shaders/<name>.wgsl`. */
  readonly code: string;
  readonly entryPoint: string;
  readonly bindings: readonly ShaderBinding[];
  /** Overrides and their defaults. */
  readonly overrides: Readonly<Record<string, number | boolean>>;
  /**
   * A rule's kernel in its loops over foreign ranges (harness/generate/emit.ts): loaded when they are needed, since a trainer
   * has arenas and needs none of them.
   */
  readonly forms?: {
    readonly body: () => Promise<Shader>;
    readonly range: () => Promise<Shader>;
    readonly shared: () => Promise<Shader>;
    /** Over rows, and over rows with parameters and gradients in one binding. */
    readonly rows?: () => Promise<Shader>;
    readonly rowsShared?: () => Promise<Shader>;
  };
  /** Host-visible structs. */
  readonly structs: Readonly<Record<string, ShaderStruct>>;
}
