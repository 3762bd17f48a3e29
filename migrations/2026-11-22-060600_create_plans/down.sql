DROP TABLE activities, action_plans, programs;
