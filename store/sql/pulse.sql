-- The number that rises with each change of what results show.
SELECT n FROM rmm.pulse
