/**
 * Reading JSON whose shape is not known: what is not as it should be is an error that names it.
 *
 * What belongs here: checks of single values. What does not: any document.
 */

export type Json = Readonly<Record<string, unknown>>;

export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ShapeError("The text is no JSON document.");
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown, name: string): Json {
  if (isObject(value)) return value;
  throw new ShapeError(`${name} is no object.`);
}

export function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ShapeError(`${name} is no list.`);
}

export function textOf(source: Json, name: string): string {
  const value = source[name];
  if (typeof value === "string") return value;
  throw new ShapeError(`${name} is no text.`);
}

export function textOrNull(source: Json, name: string): string | null {
  const value = source[name];
  return value === null || value === undefined ? null : textOf(source, name);
}

export function numberOf(source: Json, name: string): number {
  const value = source[name];
  if (typeof value === "number") return value;
  throw new ShapeError(`${name} is no number.`);
}

export function flagOf(source: Json, name: string): boolean {
  const value = source[name];
  if (typeof value === "boolean") return value;
  throw new ShapeError(`${name} is neither true nor false.`);
}

export function numbersOf(source: Json, name: string): readonly number[] {
  const values = listOf(source[name], name);
  if (values.every((value) => typeof value === "number")) return values;
  throw new ShapeError(`${name} holds something that is no number.`);
}
