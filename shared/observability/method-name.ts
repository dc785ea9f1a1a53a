const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A method as labels and spans name it: a client may send what it likes. */
export function methodName(method: string): string {
  return knownMethods.has(method) ? method : '_OTHER'
}
