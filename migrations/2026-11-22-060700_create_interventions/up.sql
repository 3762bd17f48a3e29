CREATE TABLE interventions (
    id uuid CONSTRAINT interventions_pkey PRIMARY KEY,
    activity_id uuid NOT NULL CONSTRAINT interventions_activity_known REFERENCES activities (id),
    beneficiary_id uuid NOT NULL CONSTRAINT interventions_beneficiary_known REFERENCES beneficiaries (id),
    member_id uuid CONSTRAINT interventions_member_known REFERENCES members (id),
    quarter text NOT NULL CONSTRAINT interventions_quarter_shape CHECK (quarter ~ '^[0-9]{4}-Q[1-4]$'),
    status text NOT NULL DEFAULT 'planned' CONSTRAINT interventions_status_known CHECK (status IN ('planned', 'delivered', 'cancelled')),
    quantity bigint NOT NULL DEFAULT 1 CONSTRAINT interventions_quantity_range CHECK (quantity > 0),
    unit text NOT NULL,
    amount bigint CONSTRAINT interventions_amount_range CHECK (amount >= 0),
    delivered_on date,
    proof text,
    cancel_reason text,
    override_reason text,
    warnings text[] NOT NULL DEFAULT '{}',
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT interventions_delivered_has_date CHECK ((status = 'delivered') = (delivered_on IS NOT NULL)),
    CONSTRAINT interventions_cancelled_has_reason CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL))
);
CREATE INDEX interventions_beneficiary_idx ON interventions (beneficiary_id, id);
CREATE INDEX interventions_activity_idx ON interventions (activity_id, id);
