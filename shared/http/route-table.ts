import type { TSchema } from '@sinclair/typebox'
import type { AnyElysia } from 'elysia'

/** What the error answers and the body reader need to know of the routes; read when first asked. */
export interface RouteTable {
  /** The methods that a path takes, in alphabetical order; none for an unknown path. */
  readonly methodsOf: (path: string) => readonly string[]
  /** The schema of a route's body. */
  readonly bodyOf: (method: string, route: string) => TSchema | undefined
}

/** The routes of an app, also those mounted after this call. */
export function routeTable(app: AnyElysia): RouteTable {
  let patterns: { method: string; pattern: RegExp }[] | undefined
  let bodies: Map<string, TSchema> | undefined

  return {
    methodsOf(path) {
      patterns ??= app.routes.map((route) => ({ method: route.method, pattern: asPattern(route.path) }))
      const methods = patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
      return [...new Set(methods)].sort()
    },
    bodyOf(method, route) {
      bodies ??= new Map(app.routes.map(({ method, path, hooks }) => [`${method} ${path}`, hooks?.body]))
      return bodies.get(`${method} ${route}`)
    },
  }
}

function asPattern(route: string): RegExp {
  const escaped = route.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')
  return new RegExp(`^${escaped.replace(/:[^/]+/g, '[^/]+')}/?$`)
}
