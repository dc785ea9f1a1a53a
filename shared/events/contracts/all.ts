import { AssignmentAccepted, AssignmentCreated, AssignmentRejected } from './assignment.ts'
import { NotificationDelivered, NotificationFailed, NotificationSend } from './notification.ts'
import { RequestAssigned, RequestCompleted, RequestCreated } from './request.ts'
import { ShiftCreated, ShiftTransferred } from './shift.ts'
import { AccessEnded, HealthChecked, SystemError } from './system.ts'
import { UserCreated, UserUpdated, UserVerified } from './user.ts'

/** Every contract of this package, for `createRegistry`. */
export const contracts = [
  UserCreated,
  UserUpdated,
  UserVerified,
  RequestCreated,
  RequestAssigned,
  RequestCompleted,
  AssignmentCreated,
  AssignmentAccepted,
  AssignmentRejected,
  ShiftCreated,
  ShiftTransferred,
  NotificationSend,
  NotificationDelivered,
  NotificationFailed,
  AccessEnded,
  HealthChecked,
  SystemError,
] as const
