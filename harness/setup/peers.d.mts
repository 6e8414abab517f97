export declare function ensurePeerPackages(): void;
export declare function ensurePeers(): void;
