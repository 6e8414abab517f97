export declare function buildStale(root?: string): string | undefined;
export declare function peersStale(root?: string): string | undefined;
export declare function ensureBuild(): void;
export declare function ensurePeersBuild(): void;
