-- The indexes that 0048 made in place of these. It waits for whoever reads runs, holds nothing meanwhile, and is done at once.
drop index run_status, run_of_agent;
alter index run_status_new rename to run_status;
alter index run_of_agent_new rename to run_of_agent;
