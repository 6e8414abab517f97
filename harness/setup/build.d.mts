export declare function buildStale(root?: string): string | undefined;
export declare function ensureBuild(): void;
