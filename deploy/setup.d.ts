export function passwordLine(user: string, password: string): string;
export function setUp(folder: string, sensors: readonly string[]): string;
