// The module entry carries no declarations of its own; they are those of the package's main entry.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
