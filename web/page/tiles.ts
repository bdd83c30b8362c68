// SPDX-License-Identifier: Apache-2.0
export const serves = (_: string): boolean => false;
export async function attend(_job: number, _message: object, _frame: Window): Promise<void> {}
