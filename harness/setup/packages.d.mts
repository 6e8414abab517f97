export declare function packagesMissing(root?: string): string | undefined;
export declare function ensurePackages(root?: string, topic?: string): void;
