export declare function installLavapipe(): { ok: boolean; lines: string[] };
export declare function backportsSource(text: string, suite: string): string | undefined;
