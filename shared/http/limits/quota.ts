/** So many in so long. */
export interface Quota {
  /** Names the limit in headers, metrics and keys; given by hand, and never changed. */
  readonly policy: string
  readonly points: number
  readonly seconds: number
}

/** How a client stands with a quota. */
export interface Standing {
  readonly quota: Quota
  /** This one included; above `points` it is refused. */
  readonly used: number
  /** Until there is more, milliseconds. */
  readonly resetMs: number
}
