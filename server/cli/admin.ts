import { guardOutput } from '../../tlog/closedOutput';
import { runAdmin } from './runAdmin';

guardOutput(1);
void runAdmin(process.argv.slice(2), process).then((code) => {
  process.exitCode = code;
});
