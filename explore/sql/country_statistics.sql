-- Statistics by country
-- One row a country of registration, most aircraft first. Airborne aircraft were in the air at least once.
SELECT
    NULLIF(origin_country, '') AS country,
    count(DISTINCT icao24) AS aircraft,
    count(DISTINCT CASE WHEN NOT coalesce(on_ground, false) THEN icao24 END) AS airborne_aircraft,
    count(*) AS observations,
    avg(altitude_meters) AS mean_altitude_meters,
    max(altitude_meters) AS highest_altitude_meters,
    avg(velocity_kmh) AS mean_speed_kmh,
    max(velocity_kmh) AS highest_speed_kmh,
    count(DISTINCT CASE WHEN cardinality(anomalies) > 0 THEN icao24 END) AS anomalous_aircraft
FROM flights
GROUP BY NULLIF(origin_country, '')
ORDER BY aircraft DESC, country NULLS LAST
