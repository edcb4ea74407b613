import { levelOf } from '../format/levels.ts';
import type { LogForm } from '../model/objects.ts';
import type { View } from '../store/view.ts';
import { formOf } from './form.ts';
import type { LogSurvey } from './plan.ts';

/** The log as a manager sees it. */
export interface LogStatus {
  readonly generation: number;
  readonly form: LogForm['form'];
  /** The last record that this manager has applied. */
  readonly index: number;
  /** Of the cluster. */
  readonly featureLevel: number;
  /** Its servers; absent while one manager stands alone. */
  readonly survey?: LogSurvey;
}

export function logStatusOf(view: View, survey: LogSurvey | undefined): LogStatus {
  const { generation, form } = formOf(view);
  const featureLevel = levelOf(view.cluster());
  return { generation, form, index: view.index, featureLevel, ...(survey && { survey }) };
}
