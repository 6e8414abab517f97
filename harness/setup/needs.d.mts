export declare function needs(args: string[]): { adapter: boolean; browser: boolean };
